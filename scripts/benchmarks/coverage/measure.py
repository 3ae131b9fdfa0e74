"""The sections of scripts/coverage: what is measured of one network. Each returns JSON; what fails is recorded by its message."""
import json
import os
import shutil
import statistics
import sys

import numpy as np

import networks
import pictures
import programs
from programs import Failure

sys.path.insert(0, os.path.join(programs.HERE, ".."))
import peers  # noqa: E402
from against_peers import cores, interleaved  # noqa: E402

PEERS = {"onnxruntime": "int8.onnx", "openvino": "int8.xml"}
# Outputs of an export that differ by no more are those of its package; what is left is float rounding in the head.
EXPORT_TOLERANCE = 1e-5
# In standard deviations of an image's logits, as quern verify has it.
NEAR_TIE = 0.2
SECONDS_OF_RUNS = 1.0


def recorded(measure, *arguments):
    try:
        return measure(*arguments)
    except Failure as failure:
        return {"error": str(failure)}
    except Exception as error:  # A peer's library raises whatever it likes.
        return {"error": programs.error_line(f"{type(error).__name__}: {error}")}


def outputs_of(run, pixels):
    """Embeddings and logits of images that are run one by one."""
    rows = [run(pixels[index:index + 1]) for index in range(len(pixels))]
    return {name: np.concatenate([np.asarray(row[name]) for row in rows]) for name in networks.OUTPUTS}


def with_onnxruntime(path, pixels):
    run = peers.onnxruntime_runner(path, len(cores()), None)
    return outputs_of(lambda x: dict(zip(networks.OUTPUTS, run(x))), pixels)


def with_openvino(path, pixels):
    return outputs_of(peers.openvino_runner(path, len(cores()), (1, *pixels.shape[1:])), pixels)


def near_ties(logits):
    """Which images have two highest logits that a network within tolerance may swap."""
    highest = np.sort(logits, axis=1)[:, -2:]
    return highest[:, 1] - highest[:, 0] < NEAR_TIE * logits.std(1)


def compare(outputs, reference, labels=None):
    """Drift and agreement, and top-1 accuracy where images have labels."""
    a, b = (x["normalized_embedding"].astype(np.float64) for x in (outputs, reference))
    cosines = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    classes, expected = outputs["logits"].argmax(1), reference["logits"].argmax(1)
    drifts = 1 - cosines
    if not np.isfinite(drifts).all():
        raise Failure("the embeddings are not finite")
    figures = {"mean_drift": float(drifts.mean()), "p99_drift": float(np.quantile(drifts, 0.99)), "max_drift": float(drifts.max()),
               "agreement": float((classes == expected).mean())}
    decisive = ~near_ties(reference["logits"])
    if decisive.any():
        figures["decisive_agreement"] = float((classes == expected)[decisive].mean())
    if labels is not None:
        figures["top1"] = float((classes == labels).mean())
    return figures


class Subject:
    """A network with the images that it is measured on. Its files are kept for the next time."""

    def __init__(self, name, options, calibration_files, verification_files):
        self.name, self.options = name, options
        self.preparation = networks.preparation(name)
        self.calibration = pictures.Pictures(calibration_files, self.preparation, options.size)
        self.verification = pictures.Pictures(verification_files, self.preparation, options.size)
        sources = (os.path.join(programs.HERE, file) for file in ("enliven.py", "networks.py", "make_network.py"))
        key = pictures.digest(self.calibration.key, options.seed, pictures.digest_of_files(sources))
        self.folder = os.path.join(pictures.KEPT, "networks", f"{name.replace('/', '-')}-{options.size}-{key}")
        if not os.path.isdir(self.folder):
            self.make()
        # Those of another measurement at the same time are not disturbed.
        self.scratch = os.path.join(self.folder, f"scratch-{os.getpid()}")
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)
        self.float_outputs = None

    def make(self):
        programs.say(f"{self.name}: making the network")
        unfinished = f"{self.folder}.{os.getpid()}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        os.makedirs(unfinished)
        programs.run([sys.executable, os.path.join(programs.HERE, "make_network.py"), self.name, str(self.options.size),
                      str(self.options.seed), self.calibration.array, unfinished])
        shutil.rmtree(self.folder, ignore_errors=True)
        os.rename(unfinished, self.folder)

    def clean(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def form(self, form):
        path = self.path(networks.FILES[form])
        if not os.path.exists(path):
            raise Failure("the exporter failed")
        return path

    def package(self, variant):
        return os.path.join(self.scratch, f"{variant}.quern")

    def embed(self, model):
        return programs.embed(model, self.verification, self.preparation, self.options.size,
                              os.path.join(self.scratch, "outputs.safetensors"))

    def reference(self, form="torchscript"):
        """The float network in ONNX Runtime. State dicts are compared with the TorchScript form."""
        if form == "dynamo":
            return with_onnxruntime(self.form(form), self.verification.pixels())
        if self.float_outputs is None:
            self.float_outputs = with_onnxruntime(self.form("torchscript"), self.verification.pixels())
        return self.float_outputs

    def convert(self, variant):
        report = programs.convert(self.form(self.options.convert), self.calibration, self.verification, self.preparation,
                                  self.options.size, variant, self.package(variant))
        return {"package_bytes": os.path.getsize(self.package(variant)), "verdict": (report or {}).get("verdict")}


def read(subject, form):
    """Whether quern reads the form, and its float error if the section is asked for."""
    outputs = subject.embed(subject.form(form))
    if "float" not in subject.options.sections:
        return {"read": True}
    expected = subject.reference(form)
    if outputs["logits"].shape != expected["logits"].shape:
        raise Failure(f"logits of shape {list(outputs['logits'].shape)} instead of {list(expected['logits'].shape)}")
    figures = {"read": True, "float_error": float(np.abs(outputs["logits"] - expected["logits"]).max() / np.abs(expected["logits"]).max())}
    embedding = outputs.get("normalized_embedding")
    if embedding is None or embedding.shape != expected["normalized_embedding"].shape:
        return {**figures, "error": "another embedding"}
    return {**figures, "embedding_error": float(np.abs(embedding - expected["normalized_embedding"]).max())}


def int8(subject, competitor, labels):
    """Fidelity and bytes of a variant of quern's packages or of a peer's model."""
    if competitor not in PEERS:
        made = subject.convert(competitor)
        return {**compare(subject.embed(subject.package(competitor)), subject.reference(), labels), **made}
    model = subject.path(PEERS[competitor])
    programs.quantize_with(competitor, subject.form("torchscript"), subject.calibration, model)
    run = {"onnxruntime": with_onnxruntime, "openvino": with_openvino}[competitor]
    files = [model] + ([model[:-4] + ".bin"] if model.endswith(".xml") else [])
    return {**compare(run(model, subject.verification.pixels()), subject.reference(), labels),
            "package_bytes": sum(map(os.path.getsize, files))}


def export(subject, variant):
    """How far the exported model in ONNX Runtime is from its package."""
    if not os.path.exists(subject.package(variant)):
        subject.convert(variant)
    model = os.path.join(subject.scratch, f"{variant}.onnx")
    programs.export(subject.package(variant), model)
    exported, package = with_onnxruntime(model, subject.verification.pixels()), subject.embed(subject.package(variant))
    difference = float(np.abs(exported["normalized_embedding"] - package["normalized_embedding"]).max())
    return {"largest_difference": difference, "equal": difference <= EXPORT_TOLERANCE}


def time(subject, variant, threads, batch):
    """Milliseconds per image in rounds that alternate, and the ratio to the better peer, the median of the rounds. `spread` is the
    largest ratio of two rounds of one competitor: far above 1, something else ran on the machine."""
    if not os.path.exists(subject.package(variant)):
        subject.convert(variant)
    models = {variant: subject.package(variant)}
    for peer, file in PEERS.items():
        programs.quantize_with(peer, subject.form("torchscript"), subject.calibration, subject.path(file))
        models[peer] = subject.path(file)
    # As many runs for all as take the slowest about a second.
    warm = {name: programs.bench(name, path, threads, batch, subject.options.size, 3, cores()[:threads]) for name, path in models.items()}
    runs = max(3, min(20, round(1000 * SECONDS_OF_RUNS / (max(warm.values()) * batch))))
    samples = interleaved(subject.options.rounds, lambda name: programs.bench(
        name, models[name], threads, batch, subject.options.size, runs, cores()[:threads]), list(models))
    ratios = [ours / min(theirs) for ours, *theirs in zip(*samples.values())]
    return {"variant": variant, "threads": threads, "batch": batch, "ratio": statistics.median(ratios), "rounds": len(ratios),
            "spread": max(max(values) / min(values) for values in samples.values()),
            **{"quern" if name == variant else name: statistics.median(values) for name, values in samples.items()}}


def measure(subject, labels):
    """Everything that the options ask for, as JSON."""
    options, result = subject.options, {"name": subject.name}
    with open(subject.path("about.json")) as file:
        about = json.load(file)
    result.update({key: value for key, value in about.items() if key != "failed"})
    if {"read", "float"} & set(options.sections):
        result["forms"] = {}
        for form in networks.FORMS:
            failed = about["failed"].get(form)
            result["forms"][form] = {"error": f"the exporter failed: {failed}"} if failed else recorded(read, subject, form)
    if "int8" in options.sections:
        if labels is not None:
            result["float_top1"] = float((subject.reference()["logits"].argmax(1) == labels).mean())
        result["int8"] = {name: recorded(int8, subject, name, labels) for name in [*options.variants, *PEERS]}
    if "export" in options.sections:
        result["export"] = {variant: recorded(export, subject, variant) for variant in options.variants}
    if "time" in options.sections:
        result["time"] = [
            recorded(time, subject, variant, threads, batch)
            for variant in options.variants for threads in options.threads for batch in options.batches]
    return result
