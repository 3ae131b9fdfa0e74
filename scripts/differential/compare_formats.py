#!/usr/bin/env python3
"""Writes the same weights in every format that quern reads and compares quern's float outputs with PyTorch's.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_formats.py --quick
    venv/bin/python scripts/differential/compare_formats.py            # trunks of full size: an hour, 6 GB
    venv/bin/python scripts/differential/compare_formats.py resnet50 --mindspore venv-mindspore/bin/python

Needs a release build. Prints a table with a row for each trunk and format: the largest difference of a normalised embedding,
and that of a logit, relative to the largest logit. More than 1e-5 (logits: 1e-4) is a failure. The quantisation plans must be
equal except for names and the last digits of scales. For trunks of full size, the script also measures how long quern and the
format's own library take to read the file, and quern's memory, which must stay within the file's size plus 200 MB.

--quick uses narrow trunks, and every operator set that PyTorch's exporters or ONNX's version converter can write, each for
two of the trunks; --all-sets uses all of them for all.
"""
import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
import onnx
import torch
from onnx import version_converter
from PIL import Image
from safetensors.numpy import load_file
from torch import nn

from compare_with_pytorch import EMBEDDING_TOLERANCE, LOGITS_TOLERANCE, QUERN, Case, normalized, picture
from narrow_networks import Narrow

TRUNKS = ["resnet50", "resnet101", "senet154", "nasnetamobile", "pnasnet5large"]
# Trunks whose exported graphs are those of their checkpoints, node for node. Of others, exporters fix the padding for a size,
# merge bounds, or write pooling with other attributes, so that only outputs are compared.
SAME_GRAPHS = ["resnet", "senet", "nasnet", "pnasnet", "resnet_d"] + TRUNKS
# Formats whose quantisation plans are compared; the other operator sets say the same.
PLANNED = ["legacy", "mindspore", "torchscript", "keep-bn", "dynamo"]
NAMES = {"input_names": ["input"], "output_names": ["normalized_embedding", "logits"]}
NEWEST = onnx.defs.onnx_opset_version()
MEMORY_ALLOWANCE = 200e6
# Of scales: weights that an exporter folded differ in their last bits from those that quern folds. Where two ranges are as
# good as each other, that decides which is searched out; it is rare, and then they are neighbours.
SCALE_TOLERANCE, NEIGHBOUR_TOLERANCE, NEIGHBOUR_SHARE = 1e-4, 0.02, 0.05

MINDSPORE = """
import sys, numpy, mindspore
tensors = numpy.load(sys.argv[1])
mindspore.save_checkpoint([{"name": name, "data": mindspore.Tensor(tensors[name])} for name in tensors.files], sys.argv[2])
"""


class Exported(nn.Module):
    """A case as a module, so that exporters see its parameters."""

    def __init__(self, case):
        super().__init__()
        self.case, self.net, self.classifier = case, case.net, case.classifier

    def forward(self, x):
        return self.case.run(x)


def save(case, folder, form):
    case.form = form
    path = os.path.join(folder, form)
    os.rename(case.save(folder), path)
    return path


def torchscript(case, path, size, opset=17, keep_bn=False):
    axes = {name: {0: "batch"} for name in ("input", "normalized_embedding", "logits")}
    mode = torch.onnx.TrainingMode.PRESERVE if keep_bn else torch.onnx.TrainingMode.EVAL
    torch.onnx.export(Exported(case).eval(), (torch.randn(1, 3, size, size),), path, dynamo=False, opset_version=opset,
                      dynamic_axes=axes, do_constant_folding=not keep_bn, training=mode, **NAMES)
    return path


def dynamo(case, path, size):
    torch.onnx.export(Exported(case).eval(), (torch.randn(1, 3, size, size),), path, dynamo=True, opset_version=18,
                      external_data=False, verbose=False, **NAMES)
    return path


def mindspore(case, folder, python):
    """Writes the checkpoint with MindSpore; batch norms have MindSpore's names."""
    case.form = "legacy"
    state, renamed = case.state(), {}
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    for name, tensor in state.items():
        module, _, last = name.rpartition(".")
        if last != "num_batches_tracked":
            is_norm = f"{module}.running_mean" in state
            renamed[f"{module}.{names[last]}" if is_norm else name] = tensor.numpy()
    arrays, path = os.path.join(folder, "arrays.npz"), os.path.join(folder, "mindspore.ckpt")
    np.savez(arrays, **renamed)
    subprocess.run([python, "-c", MINDSPORE, arrays, path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.remove(arrays)
    return path


def formats(case, folder, size, is_chosen, quick, mindspore_python):
    """Yields the name of each format and the path of a file in it. The next file may overwrite it.

    is_chosen tells whether to write an operator set, besides those that are always written."""
    for form in ("legacy", "zip", "safetensors"):
        yield form, save(case, folder, form)
    if mindspore_python:
        yield "mindspore", mindspore(case, folder, mindspore_python)
    path = os.path.join(folder, "model.onnx")
    yield "torchscript", torchscript(case, path, size)
    yield "keep-bn", torchscript(case, path, size, keep_bn=True)
    yield "dynamo", dynamo(case, path, size)
    if not quick:
        return
    exported = onnx.load(path)
    for opset in filter(is_chosen, range(exported.opset_import[0].version + 1, NEWEST + 1)):
        onnx.save(version_converter.convert_version(exported, opset), path)
        yield f"converted {opset}", path
    for opset in filter(is_chosen, (7, 13, 20)):
        try:
            yield f"torchscript {opset}", torchscript(case, path, size, opset)
        except torch.onnx.errors.SymbolicValueError:
            # Cropping to a common corner is more than the oldest operator sets can say.
            print(f"skip | {case.trunk} | torchscript {opset} | PyTorch does not write it")


def quern(*arguments):
    result = subprocess.run([QUERN, *arguments, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode not in (0, 1):
        raise RuntimeError(f"quern {arguments[0]} exits with {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def differences(path, image, size, expected, folder):
    output = os.path.join(folder, "out.safetensors")
    quern("embed", path, image, "-o", output, "--crop", "rect", "--size", str(size))
    actual = load_file(output)
    embedding, logits = (np.abs(actual[name] - value).max() for name, value in
                         zip(("normalized_embedding", "logits"), expected))
    return float(embedding), float(logits / np.abs(expected[1]).max())


def plan(path, image_folder, size, folder):
    """The properties of the package's nodes (operator, scale, zero point, and so on) in order, without names and stored sizes."""
    package = os.path.join(folder, "model.quern")
    quern("convert", path, "--calibration", image_folder, "--repetitions", "1", "--augmentation", "none", "--crop", "rect",
          "--size", str(size), "-o", package, "--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0",
          "--max-top1-drop", "100")
    layers = json.loads(quern("inspect", package, "--json"))["layers"]
    return [{key: layer[key] for key in sorted(layer) if key not in ("name", "stored_bytes")} for layer in layers]


def is_same_plan(a, b):
    def rest(layers):
        return [{key: layer[key] for key in layer if key != "scale"} for layer in layers]

    def scales(layers):
        return np.array([layer.get("scale", 1) for layer in layers])

    if rest(a) != rest(b):
        return False
    difference = np.abs(scales(a) / scales(b) - 1)
    return difference.max() <= NEIGHBOUR_TOLERANCE and np.mean(difference > SCALE_TOLERANCE) <= NEIGHBOUR_SHARE


def reading(path, name):
    """The seconds that quern and the format's own library take to read all tensors, and by how much quern's memory exceeds the
    file's size."""
    def fastest(read):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            read()
            times.append(time.perf_counter() - start)
        return min(times)

    libraries = {"legacy": torch_load, "zip": torch_load, "safetensors": load_file, "mindspore": None}
    library = libraries.get(name, onnx_load)
    # A small process between, as the memory of a process that starts another counts as the other's until it runs.
    measure = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    command = [QUERN, "inspect", "--check", path]
    peak = int(subprocess.run([sys.executable, "-c", measure, *command], check=True, capture_output=True).stdout) * 1024
    ours = fastest(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    return ours, fastest(lambda: library(path)) if library else None, peak - os.path.getsize(path)


def torch_load(path):
    return torch.load(path, map_location="cpu", weights_only=True)


def onnx_load(path):
    return [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]


def compare(case, options, folder, is_chosen):
    """Prints the rows of a trunk, and returns whether all passed."""
    size, passed, first_plan = 96 if options.quick else 224, True, None
    images = os.path.join(folder, "images")
    os.makedirs(images)
    generator = np.random.default_rng(3)
    for index in range(4):
        pixels = picture(generator, size, size)
        image = os.path.join(images, f"{index}.png")
        Image.fromarray(pixels).save(image)
    with torch.no_grad():
        expected = [t.numpy() for t in case.run(normalized(torch.from_numpy(pixels)[None], case.normalization))]
    for name, path in formats(case, folder, size, is_chosen, options.quick, options.mindspore):
        if case.trunk in Narrow.onnx_only and not path.endswith(".onnx"):
            continue
        try:
            embedding, logits = differences(path, image, size, expected, folder)
            good, remarks = embedding <= EMBEDDING_TOLERANCE and logits <= LOGITS_TOLERANCE, ""
            if name in PLANNED and case.trunk in SAME_GRAPHS:
                layers = plan(path, images, size, folder)
                first_plan = first_plan or layers
                if not is_same_plan(layers, first_plan):
                    good, remarks = False, "another plan; "
            if not options.quick:
                ours, theirs, above = reading(path, name)
                good = good and above <= MEMORY_ALLOWANCE
                remarks += f"read in {ours:.2f} s" + (f", {theirs:.2f} s by its library" if theirs else "")
                remarks += f", file size {above / 1e6:+.0f} MB"
            row = f"{embedding:.1e} | {logits:.1e} | {remarks}"
        except RuntimeError as error:
            good, row = False, f"| | {error}"
        passed = passed and good
        print(f"{'ok  ' if good else 'FAIL'} | {case.trunk} | {name} | {row}", flush=True)
    return passed


def has_mindspore(python):
    command = [python, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('mindspore') is None)"]
    return subprocess.run(command).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trunks", nargs="*", help="of full size; default: " + ", ".join(TRUNKS))
    parser.add_argument("--quick", action="store_true", help="narrow trunks in place of those: two minutes")
    parser.add_argument("--all-sets", action="store_true", help="with --quick, every operator set for every trunk")
    parser.add_argument("--mindspore", metavar="PYTHON", default=sys.executable, help="a Python that has mindspore")
    options = parser.parse_args()
    # Exporters tell at length what they trace as constant.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if not has_mindspore(options.mindspore):
        print("skip | all | mindspore | not installed, its files are not compared")
        options.mindspore = None
    print("     | trunk | format | embedding | logits |")
    trunks = list(Narrow.nets) if options.quick else options.trunks or TRUNKS
    passed = True
    for index, trunk in enumerate(trunks):
        case = (Narrow if options.quick else Case)(trunk, 1.7 if "nas" in trunk else 3.0, False, "legacy")
        with tempfile.TemporaryDirectory() as folder:
            passed = compare(case, options, folder, lambda opset: options.all_sets or (opset + index) % 8 == 0) and passed
    print("passed" if passed else "FAILED")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
