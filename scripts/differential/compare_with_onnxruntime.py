#!/usr/bin/env python3
"""Converts networks, exports them to ONNX, quantised and in float, and compares ONNX Runtime's outputs with quern's.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_with_onnxruntime.py                       # bundled, and narrow trunks
    venv/bin/python scripts/differential/compare_with_onnxruntime.py resnet50 senet154     # of full size, random weights
    venv/bin/python scripts/differential/compare_with_onnxruntime.py --whiten resnet50

Needs a release build. The quantised model must compute the same integers, so that outputs differ only by float rounding in
the head. The weights are exported as uint8, since ONNX Runtime's sums of products with int8 saturate on some processors. With
layers kept in float, the mean cosine must be at least 0.9999, and 99.5 % of the classes must agree.
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from safetensors.numpy import load_file

from compare_with_pytorch import IMAGENET, TRUNKS, Case
from narrow_networks import Narrow

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
CHECKPOINT = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")


def quern(*arguments):
    subprocess.run([QUERN, *arguments, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def compare(name, model, exported, files, normalization, folder):
    onnx.checker.check_model(onnx.load(exported), full_check=True)
    output = os.path.join(folder, "out.safetensors")
    quern("embed", model, *files, "-o", output, "--crop", "rect", "--size", "112")
    expected = load_file(output)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    mean, std = (np.array(values, np.float32) for values in normalization)
    cosines, difference, relative, agreement = [], 0.0, 0.0, []
    for row, path in enumerate(files):
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(np.float32)
        x = ((pixels / 255 - mean) / std).transpose(2, 0, 1)[None]
        embedding, logits = session.run(["normalized_embedding", "logits"], {"input": x})
        ours = expected["normalized_embedding"][row]
        cosines.append(float(embedding[0] @ ours))
        difference = max(difference, float(np.abs(embedding[0] - ours).max()))
        relative = max(relative, float(np.abs(logits[0] - expected["logits"][row]).max() / np.abs(logits).max()))
        second, first = np.sort(expected["logits"][row])[-2:]
        # Logits as close as this tie, and rounding decides.
        if first - second > 1e-3 * np.abs(expected["logits"][row]).max():
            agreement.append(logits[0].argmax() == expected["logits"][row].argmax())
    exact = difference <= 1e-5
    close = np.mean(cosines) >= 0.9999 and np.mean(agreement) >= 0.995
    # Sums in float are taken in another order, and a last bit moves a rounding further on.
    passed = exact if "float layers" not in name else close
    print(f"{'ok  ' if passed else 'FAIL'} {name:24} embedding {difference:.1e}  logits {relative:.1e}  "
          f"mean cosine {np.mean(cosines):.7f}  same class {np.mean(agreement):.1%}", flush=True)
    return passed


def compare_all(name, checkpoint, normalization, files, folder, left_out=None):
    """Compares the quantised exports with their packages, except one, and the float export with the checkpoint."""
    results = []
    some = ["--keep-float", "*1*"]  # Every trunk has layers of such names, and others.
    # How weights are rounded does not matter here, and learning it would take most of the time.
    nearest = ["--rounding", "nearest"]
    for effort, activations, extra in (("balanced", "int8", []), ("thorough", "16 bits", nearest),
                                       ("thorough", "float layers, 16 bits", nearest + some)):
        if activations == left_out:
            continue
        package, quantized = os.path.join(folder, "model.quern"), os.path.join(folder, "quantized.onnx")
        quern("convert", checkpoint, "--calibration", PHOTOGRAPHS, "--calibration-count", "48", "--size", "112",
              "--crop", "rect", "--min-agreement", "0", "--max-mean-drift", "2", "--max-drift", "2", "--effort", effort,
              "-o", package, *extra)
        quern("export", package, "-o", quantized, "--weight-type", "uint8")
        results.append(compare(f"{name} {activations}", package, quantized, files, normalization, folder))
    float_model = os.path.join(folder, "float.onnx")
    quern("export", "--float", checkpoint, "-o", float_model)
    return results + [compare(f"{name} float", checkpoint, float_model, files, normalization, folder)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trunks", nargs="*", choices=[[], *TRUNKS], metavar="TRUNK", help="of full size")
    parser.add_argument("--whiten", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one of the forms with 16-bit inputs for each trunk")
    options = parser.parse_args()
    # Pictures whose long side is 112 already: nothing is resized on either side.
    files = [p for p in sorted(glob.glob(os.path.join(PHOTOGRAPHS, "*.jpg"))) if max(Image.open(p).size) == 112]
    results, cases = [], (Case(trunk, 3.0, options.whiten, "legacy") for trunk in options.trunks)
    if not options.trunks:
        cases = [Narrow(trunk, 3.0, False, "legacy") for trunk in Narrow.nets if trunk not in Narrow.onnx_only] + [Narrow("resnet", 1.7, True, "legacy")]
        with tempfile.TemporaryDirectory() as folder:
            results += compare_all("bundled", CHECKPOINT, IMAGENET, files, folder)
    for index, case in enumerate(cases):
        with tempfile.TemporaryDirectory() as folder:
            name = case.trunk + (" whitened" if case.whiten else "")
            left_out = ("16 bits", "float layers, 16 bits")[index % 2] if options.quick else None
            results += compare_all(name, case.save(folder), case.normalization, files, folder, left_out)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
