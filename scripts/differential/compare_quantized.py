#!/usr/bin/env python3
"""Quantises narrow networks with ONNX Runtime, NNCF and torchao, converts the models, and compares ONNX Runtime's outputs with
quern's.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_quantized.py

Needs a release build. The package takes the levels of the model, so that it must have the logits that ONNX Runtime computes
with its default optimisations, or without them; it gets int8 weights as uint8, whose sums are exact on every processor. A level
may differ where float32 rounding decides it: in models that leave biases or sums in float, and for images for which a sum of
two maps in ONNX Runtime's integer operators lies in the middle between two levels. There, the mean cosine distance of the
logits must be at most 0.001, or half the drift from the float network. Logits must drift as far from those of the float network
as ONNX Runtime's do, to within a tenth or 0.0005, and `verify` must report the drift of the embeddings. --quick leaves out
int8 activations, and torchao without training.
"""
import glob
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image
from safetensors.numpy import load_file

from unsaturated import unsaturated

warnings.filterwarnings("ignore")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
FILES = sorted(glob.glob(os.path.join(ROOT, "fixtures", "photographs", "**", "*.jpg"), recursive=True))
SIDE = 96
MEAN, STD = np.array([.485, .456, .406], np.float32), np.array([.229, .224, .225], np.float32)


def square(path):
    """A photograph as quern gets it: a square file of the network's size, so that nothing is resized."""
    return np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE)))


def normalized(pixels):
    return np.ascontiguousarray(((pixels.astype(np.float32) / np.float32(255) - MEAN) / STD).transpose(2, 0, 1)[None])


class Images(CalibrationDataReader):
    def __init__(self, images):
        self.images = images
        self.rewind()

    def get_next(self):
        image = next(self.iterator, None)
        return None if image is None else {"input": image}

    def rewind(self):
        self.iterator = iter(self.images)


def networks():
    """Networks of a quarter of the width, with batch norms of photographs."""
    models = torchvision.models
    yield "resnet", models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], num_classes=20, width_per_group=16)
    yield "mobilenet_v2", models.mobilenet_v2(num_classes=20, width_mult=0.35)
    yield "squeezenet", models.squeezenet1_1(num_classes=20)


def onnxruntime_outputs(path, images, level):
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.graph_optimization_level = 3, level
    model = unsaturated(onnx.load(path)).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["logits"], {"input": image})[0] for image in images])


def by_torchao(model, path, images, is_trained):
    """Quantises with torchao after export, from observed ranges or in a few steps of training."""
    from torchao.quantization.pt2e import move_exported_model_to_eval
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e, prepare_qat_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config(is_qat=is_trained))
    batch = torch.from_numpy(np.concatenate(images))
    if is_trained:
        shapes = ({0: torch.export.Dim.AUTO},)
        prepared = prepare_qat_pt2e(torch.export.export(model.train(), (batch,), dynamic_shapes=shapes).module(), quantizer)
        optimizer = torch.optim.SGD([weight for weight in prepared.parameters() if weight.requires_grad], 1e-3)
        for _ in range(3):
            torch.nn.functional.cross_entropy(prepared(batch), torch.arange(len(images)) % 20).backward()
            optimizer.step()
            optimizer.zero_grad()
        move_exported_model_to_eval(prepared)
    else:
        prepared = prepare_pt2e(torch.export.export(model.eval(), (batch[:1],)).module(), quantizer)
        for image in images:
            prepared(torch.from_numpy(image))
    torch.onnx.export(convert_pt2e(prepared), (batch[:1],), path, dynamo=True, external_data=False, input_names=["input"],
                      output_names=["logits"], verbose=False)


def are_decided(path, images):
    """Whether each image keeps all sums of two maps, in the integer operators that ONNX Runtime makes of a model, away from the
    middle between two levels by more than float32 rounding."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.optimized_model_filepath = 3, path + ".optimized"
    optimized = unsaturated(onnx.load(path)).SerializeToString()
    onnxruntime.InferenceSession(optimized, options, providers=["CPUExecutionProvider"])
    model = onnx.load(options.optimized_model_filepath)
    constants = {constant.name: onnx.numpy_helper.to_array(constant).astype(float) for constant in model.graph.initializer}
    sums = [node for node in model.graph.node if node.op_type == "QLinearAdd"]
    terms = sorted({name for node in sums for name in (node.input[0], node.input[3])})
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in terms)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.graph_optimization_level = 3, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result = []
    for image in images:
        maps = dict(zip(terms, session.run(terms, {"input": image}))) if terms else {}
        margin = 0.5
        for node in sums:
            a_scale, a_zero, b_scale, b_zero, scale, zero = (constants[node.input[i]] for i in (1, 2, 4, 5, 6, 7))
            levels = ((maps[node.input[0]] - a_zero) * a_scale + (maps[node.input[3]] - b_zero) * b_scale) / scale + zero
            levels = levels[(levels > -1) & (levels < 256)]
            margin = min(margin, np.abs(levels - np.floor(levels) - 0.5).min(initial=0.5))
        result.append(margin > 3e-5)
    return np.array(result)


def drift(rows, reference):
    """The cosine distance of each row."""
    return 1 - (rows * reference).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(reference, axis=1)


def embed(model, names, output, options):
    subprocess.run([QUERN, "embed", model, *names, "-o", output, *options], check=True, stdout=subprocess.DEVNULL)
    return load_file(output)


def verified_drift(package, source, folder, options):
    """The mean drift of a package from another network than the one that it was made from."""
    wide = ["--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0"]
    report = subprocess.run(
        [QUERN, "verify", package, "--reference", source, "--images", folder, "--allow-other-reference", "--json", *wide,
         *options], check=True, capture_output=True).stdout
    return json.loads(report)["drift"]["mean"]


def compare(name, path, source, folder, names, images, is_exact):
    package, output = path.replace(".onnx", ".quern"), path.replace(".onnx", ".safetensors")
    options = ["--quiet", "--size", str(SIDE), "--crop", "rect"]
    subprocess.run([QUERN, "convert", path, "--verify-images", folder, "-o", package, "--min-agreement", "0", *options],
                   check=True, stdout=subprocess.DEVNULL)
    ours, real = embed(package, names, output, options), embed(source, names, output, options)
    levels = onnxruntime.GraphOptimizationLevel
    exact = are_decided(path, images) if is_exact else np.full(len(images), False)
    best = None
    for level in (levels.ORT_ENABLE_ALL, levels.ORT_DISABLE_ALL):
        theirs = onnxruntime_outputs(path, images, level)
        same = np.abs(ours["logits"] - theirs) <= 1e-5 * np.abs(theirs).max()
        distance, equal = float(drift(ours["logits"], theirs).mean()), float(same.mean())
        if best is None or equal > best[0]:
            best = equal, distance, float(drift(theirs, real["logits"]).mean()), same
    equal, distance, expected, same = best
    passed = distance <= max(0.001, 0.5 * expected)
    passed &= not exact.any() or same[exact].mean() >= 0.99
    cost = float(drift(ours["logits"], real["logits"]).mean())
    passed &= abs(cost - expected) <= max(0.1 * expected, 0.0005)
    reported = verified_drift(package, source, folder, options)
    passed &= abs(reported - drift(ours["normalized_embedding"], real["normalized_embedding"]).mean()) <= 1e-5
    print(f"{'ok  ' if passed else 'FAIL'} {name:40} equal logits {equal:7.2%} (required for {exact.sum():2} images)  "
          f"distance {distance:.7f}  drift from float {cost:.6f}, ONNX Runtime's {expected:.6f}", flush=True)
    return passed


def main():
    import nncf
    nncf.set_log_level("ERROR")
    quick = "--quick" in sys.argv[1:]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        pictures = os.path.join(folder, "pictures")
        os.makedirs(pictures)
        images, names = [], []
        for index, file in enumerate(FILES[::max(1, len(FILES) // 24)][:24]):
            names.append(os.path.join(pictures, f"{index:02}.png"))
            Image.fromarray(square(file)).save(names[-1])
            images.append(normalized(square(file)))
        batch = torch.from_numpy(np.concatenate(images))
        torch.manual_seed(3)
        for network, model in networks():
            model.train()
            with torch.no_grad():
                for _ in range(6):
                    model(batch)
            source = os.path.join(folder, f"{network}.onnx")
            torch.onnx.export(model.eval(), (batch[:1],), source, dynamo=False, input_names=["input"],
                              output_names=["logits"])
            prepared = source + ".prepared"
            quant_pre_process(source, prepared)
            for kind, settings in (("per channel", {}), ("per tensor", dict(per_channel=False)),
                                   ("int8 activations", dict(activation_type=QuantType.QInt8))):
                path = os.path.join(folder, f"{network}-{kind.replace(' ', '-')}.onnx")
                options = dict(quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                               weight_type=QuantType.QInt8)
                quantize_static(prepared, path, Images(images), **{**options, **settings})
                # On x86, ONNX Runtime computes int8 activations in float.
                exact = kind != "int8 activations"
                if quick and not exact:
                    continue
                results.append(
                    compare(f"{network}, ONNX Runtime, {kind}", path, source, pictures, names, images, exact))
            path = os.path.join(folder, f"{network}-nncf.onnx")
            data = nncf.Dataset(images, lambda image: {"input": image})
            onnx.save(nncf.quantize(onnx.load(source), data, subset_size=len(images)), path)
            results.append(compare(f"{network}, NNCF", path, source, pictures, names, images, False))
            if network == "resnet":
                continue  # The quantizer refuses modules that are used more than once, as its ReLUs are.
            for kind, is_trained in (("ranges", False), ("training", True))[quick:]:
                path = os.path.join(folder, f"{network}-torchao-{kind}.onnx")
                by_torchao(model, path, images, is_trained)
                results.append(compare(f"{network}, torchao, {kind}", path, source, pictures, names, images, False))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
