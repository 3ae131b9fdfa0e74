#!/usr/bin/env python3
"""Quantises narrow networks with ONNX Runtime and NNCF, converts the models, and compares ONNX Runtime's outputs with quern's.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_quantized.py

Needs a release build. The package takes the levels of the model, so that it must have the embeddings and logits that ONNX
Runtime computes with its default optimisations, or without them. Where the model leaves biases or sums in float, levels within
float rounding of the middle between two may differ, and the mean cosine of the embeddings must be at least 0.999.
"""
import glob
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
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["logits"], {"input": image})[0] for image in images])


def compare(name, path, folder, names, images, is_exact):
    package, output = path.replace(".onnx", ".quern"), path.replace(".onnx", ".safetensors")
    options = ["--quiet", "--size", str(SIDE), "--crop", "rect"]
    subprocess.run([QUERN, "convert", path, "--verify-images", folder, "-o", package, "--min-agreement", "0", *options],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([QUERN, "embed", package, *names, "-o", output, *options], check=True, stdout=subprocess.DEVNULL)
    ours = load_file(output)["logits"]
    levels = onnxruntime.GraphOptimizationLevel
    best = None
    for level in (levels.ORT_ENABLE_ALL, levels.ORT_DISABLE_ALL):
        theirs = onnxruntime_outputs(path, images, level)
        cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
        equal = float((np.abs(ours - theirs) <= 1e-5 * np.abs(theirs).max()).mean())
        if best is None or equal > best[0]:
            best = equal, float(cosines.mean())
    passed = best[0] >= 0.99 if is_exact else best[1] >= 0.999
    print(f"{'ok  ' if passed else 'FAIL'} {name:32} equal logits {best[0]:.2%}  mean cosine {best[1]:.7f}", flush=True)
    return passed


def main():
    import nncf
    nncf.set_log_level("ERROR")
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
        for network, model in networks():
            torch.manual_seed(0)
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
                results.append(compare(f"{network}, ONNX Runtime, {kind}", path, pictures, names, images, exact))
            path = os.path.join(folder, f"{network}-nncf.onnx")
            data = nncf.Dataset(images, lambda image: {"input": image})
            onnx.save(nncf.quantize(onnx.load(source), data, subset_size=len(images)), path)
            results.append(compare(f"{network}, NNCF", path, pictures, names, images, False))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
