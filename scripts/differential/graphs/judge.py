"""Runs a network through quern and ONNX Runtime, and says whether they agree."""
import json
import os
import re
import subprocess
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from safetensors.numpy import load_file

EMBEDDING_TOLERANCE, LOGITS_TOLERANCE, EXPORT_TOLERANCE = 1e-4, 1e-4, 1e-5
# Where layers compute in float, sums are taken in another order, and a last bit moves a rounding further on.
ROUNDING_TOLERANCE = 1e-2
IMAGES = 3
# Ways to convert.
PLANS = {
    "fast": ["--effort", "fast"],
    "balanced": ["--effort", "balanced"],
    "thorough": ["--effort", "thorough"],
    # A gate that cannot be kept: layers read 16 bits, or stay in float.
    "strict": ["--effort", "balanced", "--max-mean-drift", "1e-9"],
}


class Verdict(NamedTuple):
    # equal, refused, WRONG, CRASH, or discarded: ONNX Runtime cannot run the model, or its outputs are degenerate.
    kind: str
    stage: str = ""
    detail: str = ""
    # Largest 1 - cosine between the embeddings of the float network and of the package.
    drift: float = 0

    @property
    def failed(self):
        return self.kind in ("WRONG", "CRASH")

    @property
    def signature(self):
        """The verdict without what differs from model to model."""
        detail = re.sub(r"'[^']*'|\"[^\"]*\"|/[^ ]*/[^ ]*", "_", self.detail)
        detail = re.sub(r"\[[^\]]*\]|[-+]?\d[\d.e+-]*x?\d*", "N", detail)
        detail = re.sub(r"node N(?: _)? \((\w+), opset N, reads[^)]*\)", r"\1", detail)
        return self.kind, self.stage, detail[:200]


class Failure(Exception):
    def __init__(self, kind, stage, detail):
        super().__init__(detail)
        self.verdict = Verdict(kind, stage, detail)


class Bench:
    """A folder to work in, with images of every extent."""

    def __init__(self, quern, folder):
        self.quern, self.folder = quern, folder
        self.pixels = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def images(self, extent):
        """The folder of the images of an extent, and their pixels, NHWC."""
        folder = self.path("images-%dx%d" % extent)
        if extent not in self.pixels:
            os.makedirs(folder)
            generator = np.random.default_rng(extent[0] * 1000 + extent[1])
            stack = []
            for index in range(IMAGES):
                coarse = generator.integers(0, 256, [4 << index, 4 << index, 3], dtype=np.uint8)
                image = np.asarray(Image.fromarray(coarse).resize(extent, Image.BILINEAR)).astype(np.int16)
                image = np.clip(image + generator.integers(-20, 21, image.shape), 0, 255).astype(np.uint8)
                Image.fromarray(image).save(os.path.join(folder, f"{index}.png"))
                stack.append(image)
            self.pixels[extent] = np.stack(stack)
        return folder, self.pixels[extent]

    def run(self, stage, *arguments, may_fail_gates=False):
        try:
            process = subprocess.run([self.quern, *arguments, "--quiet"], capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired as error:
            raise Failure("CRASH", stage, "takes more than two minutes") from error
        message = process.stderr.strip().replace("\n", " ").removeprefix("quern: ").removeprefix("error: ")
        status = process.returncode
        if status == 0 or status == 1 and may_fail_gates:
            return process.stdout
        if status in (64, 65) and message:
            raise Failure("refused", stage, message)
        raise Failure("CRASH", stage, f"exit {status}: {message[-300:]}")


def session(model, optimizes=True):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if not optimizes:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def rows(outputs):
    return np.concatenate([output.reshape(1, -1) for output in outputs]).astype(np.float64)


def units(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)


def inputs(pixels, preprocessing):
    mean, std = (np.float32(values) for values in preprocessing)
    return ((pixels.astype(np.float32) / np.float32(255) - mean) / std).astype(np.float32)


def expected(network, pixels, preprocessing, optimizes=True):
    """Embedding and logits as ONNX Runtime computes them; raises what it raises."""
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    wanted = [name for name in (network.embedding, network.logits) if name]
    present = {output.name for output in model.graph.output}
    for name in dict.fromkeys(wanted):
        if name not in present:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    run = session(model.SerializeToString(), optimizes)
    results = []
    for x in inputs(pixels, preprocessing):
        image = x[None] if network.is_nhwc else x[None].transpose(0, 3, 1, 2)
        results.append(run.run(wanted, {network.input_name: np.ascontiguousarray(image)}))
    return [rows(output) for output in zip(*results)]


def difference(ours, theirs, relative=False):
    if ours.shape != theirs.shape:
        return float("inf")
    scale = np.abs(theirs).max() if relative else 1
    largest = float(np.abs(ours - theirs).max() / max(scale, 1e-30))
    return float("inf") if np.isnan(largest) else largest


def judge(network, bench, plan):
    folder, pixels = bench.images(network.extent)
    references = []
    try:
        for preprocessing in network.preprocessings:
            references.append(expected(network, pixels, preprocessing))
    except Exception as error:  # Whatever ONNX Runtime raises: the model is none.
        return Verdict("discarded", "ONNX Runtime", str(error).replace("\n", " ")[:300])
    for outputs in references:
        if not all(np.isfinite(output).all() for output in outputs):
            return Verdict("discarded", "degenerate", "outputs are not finite")
        if np.linalg.norm(outputs[0], axis=1).min() < 1e-2 or np.abs(outputs[0]).max() > 1e6:
            return Verdict("discarded", "degenerate", "the embedding is almost zero, or huge")
    model = bench.path("model.onnx")
    onnx.save(network.model, model)
    try:
        chosen, ours = check_float(network, bench, model, folder, pixels, references)
        drift = check_exports(network, bench, model, folder, pixels, chosen, ours, plan)
    except Failure as failure:
        if failure.verdict.kind == "refused" and network.must_refuse:
            return Verdict("equal", "refused", network.must_refuse)
        return failure.verdict
    return Verdict("equal", drift=drift)


def check_float(network, bench, model, folder, pixels, references):
    """The float network against ONNX Runtime; returns the preprocessing that it took and its outputs."""
    output = bench.path("float.safetensors")
    bench.run("embed", "embed", model, folder, "-o", output, "--threads", "1", *network.options)
    if network.must_refuse:
        raise Failure("WRONG", "embed", "accepts " + network.must_refuse)
    ours = load_file(output)
    complaints = []
    for preprocessing, reference in zip(network.preprocessings, references):
        complaint = compare(network, ours, reference)
        if complaint is None:
            return preprocessing, ours
        complaints.append(complaint)
    if all(compare(network, ours, expected(network, pixels, preprocessing, optimizes=False)) is not None
           for preprocessing in network.preprocessings):
        # Where the embedding is right for one of them, the other complaint is about another preprocessing.
        complaints.sort(key=lambda complaint: complaint.startswith("the embedding is off"))
        raise Failure("WRONG", "embed", complaints[0])
    raise Failure("discarded", "ONNX Runtime", "its optimisations change the outputs")


def compare(network, ours, reference):
    """What is wrong with the float outputs, if anything."""
    embedding = ours["normalized_embedding"].astype(np.float64)
    candidates = []
    if network.normalizes is not False:
        candidates.append(units(reference[0]))
    if network.normalizes is not True:
        candidates.append(reference[0])
    if network.may_be_embedding:
        alternative = units(reference[-1])
        if "logits" not in ours and difference(embedding, alternative) <= EMBEDDING_TOLERANCE:
            return None
    largest = min(difference(embedding, candidate) for candidate in candidates)
    if not largest <= EMBEDDING_TOLERANCE:
        return (f"the embedding has {embedding.shape[1]} values instead of {reference[0].shape[1]}"
                if embedding.shape != reference[0].shape else f"the embedding is off by {largest:.1e}")
    if network.logits and "logits" not in ours:
        return "logits are missing"
    if not network.logits and "logits" in ours:
        return "there are logits where there are none"
    if network.logits and not (largest := difference(ours["logits"], reference[1], relative=True)) <= LOGITS_TOLERANCE:
        return f"logits are off by {largest:.1e}"
    return None


def check_exports(network, bench, model, folder, pixels, preprocessing, ours, plan):
    package, quantized, exported = bench.path("p.quern"), bench.path("int8.safetensors"), bench.path("exported.onnx")
    options = PLANS[plan]
    if "--max-mean-drift" not in options:
        options = options + ["--max-mean-drift", "2"]
    bench.run("convert", "convert", model, "--calibration", folder, "--verify-images", folder, "--augmentation", "none",
              "-o", package, "--threads", "1", "--min-agreement", "0", "--max-drift", "2", *options, *network.options,
              may_fail_gates=True)
    bench.run("embed package", "embed", package, folder, "-o", quantized, "--threads", "1")
    described = json.loads(bench.run("inspect", "inspect", package, "--json"))
    int8 = load_file(quantized)
    tolerance = ROUNDING_TOLERANCE if rounds_floats(described) else EXPORT_TOLERANCE
    # Integer kernels saturate on some processors where the weights are int8: without optimisations, there are none.
    for weight_type, optimizes in (("uint8", True), ("int8", False)):
        bench.run("export package", "export", package, "-o", exported, "--weight-type", weight_type, "--threads", "1")
        check_export("export package", exported, pixels, (described["mean"], described["std"]), int8, tolerance, optimizes)
    bench.run("export --float", "export", "--float", model, "-o", exported, "--threads", "1", *network.options)
    check_export("export --float", exported, pixels, preprocessing, ours, EXPORT_TOLERANCE)
    cosines = (units(ours["normalized_embedding"]) * units(int8["normalized_embedding"])).sum(1)
    return float(1 - cosines.min())


def rounds_floats(package):
    """Whether what a layer computes in float is rounded to levels further on."""
    return any(layer["op"] == "requantize" and layer["output"].startswith("uint8") for layer in package["layers"])


def check_export(stage, path, pixels, preprocessing, ours, tolerance, optimizes=True):
    try:
        onnx.checker.check_model(path, full_check=True)
        run = session(path, optimizes)
        results = [run.run(["normalized_embedding"] + (["logits"] if "logits" in ours else []),
                           {"input": np.ascontiguousarray(x[None].transpose(0, 3, 1, 2))})
                   for x in inputs(pixels, preprocessing)]
    except Exception as error:  # Of the checker or of ONNX Runtime.
        raise Failure("CRASH", stage, f"{type(error).__name__}: {error}".replace("\n", " ")[:300]) from error
    outputs = [rows(output) for output in zip(*results)]
    largest = difference(ours["normalized_embedding"], outputs[0])
    if not largest <= tolerance:
        raise Failure("WRONG", stage, f"the embedding is off by {largest:.1e}")
    if "logits" not in ours:
        return
    largest = difference(ours["logits"], outputs[1], relative=True)
    if not largest <= max(tolerance, LOGITS_TOLERANCE):
        raise Failure("WRONG", stage, f"logits are off by {largest:.1e}")
