#!/usr/bin/env python3
"""Converts the bundled network, exports it to ONNX, quantised and float, and holds ONNX Runtime's outputs against quern's.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_with_onnxruntime.py

Needs a release build. The quantised model must compute the same integers, so that outputs differ by float rounding in the
head only. ONNX Runtime's int8 kernels are exact only with VNNI; elsewhere they saturate, and agreement is held to a mean
cosine of 0.9999 instead.
"""
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

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
CHECKPOINT = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def quern(*arguments):
    subprocess.run([QUERN, *arguments, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def compare(name, model, exported, files, folder):
    onnx.checker.check_model(onnx.load(exported), full_check=True)
    output = os.path.join(folder, "out.safetensors")
    quern("embed", model, *files, "-o", output, "--crop", "rect", "--size", "112")
    expected = load_file(output)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    cosines, difference, agreement = [], 0.0, []
    for row, path in enumerate(files):
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(np.float32)
        x = ((pixels / 255 - MEAN) / STD).transpose(2, 0, 1)[None]
        embedding, logits = session.run(["normalized_embedding", "logits"], {"input": x})
        ours = expected["normalized_embedding"][row]
        cosines.append(float(embedding[0] @ ours))
        difference = max(difference, float(np.abs(embedding[0] - ours).max()))
        agreement.append(logits[0].argmax() == expected["logits"][row].argmax())
    exact = difference <= 1e-5
    close = np.mean(cosines) >= 0.9999 and np.mean(agreement) >= 0.995
    has_vnni = "vnni" in open("/proc/cpuinfo").read()
    passed = exact if name == "float" or has_vnni else close
    print(f"{'ok  ' if passed else 'FAIL'} {name}: largest difference {difference:.1e}, mean cosine {np.mean(cosines):.7f}, same class {np.mean(agreement):.1%}")
    return passed


def main():
    # Pictures whose long side is 112 already: nothing is resized on either side.
    files = [p for p in sorted(glob.glob(os.path.join(PHOTOGRAPHS, "*.jpg"))) if max(Image.open(p).size) == 112]
    with tempfile.TemporaryDirectory() as folder:
        package = os.path.join(folder, "demo.quern")
        quern("convert", CHECKPOINT, "--calibration", PHOTOGRAPHS, "--calibration-count", "48", "--size", "112", "--crop", "rect",
              "--min-agreement", "0", "-o", package)
        quantized, float_model = os.path.join(folder, "int8.onnx"), os.path.join(folder, "float.onnx")
        quern("export", package, "-o", quantized)
        quern("export", "--float", CHECKPOINT, "-o", float_model)
        results = [compare("int8", package, quantized, files, folder), compare("float", CHECKPOINT, float_model, files, folder)]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
