#!/usr/bin/env python3
"""Runs the programs that 'quern golden' prints and compares quern's float network with the files that they write.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_golden.py

Needs a release build. Golden files of the bundled network must pass, from PyTorch and, for the exported network, from ONNX
Runtime; `quern.golden` of the Python package must write the same tensors. Golden files whose preprocessing differs from the
conversion's must fail, the report must name the cause, and the conversion must pass with the options that the report suggests.
Both are tested with and without the framework's input tensors in the file. --quick tries a third of these files.
"""
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import demo_network

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "python", "src"))
import quern  # noqa: E402 - the package of this checkout
QUERN = os.path.join(ROOT, ".build", "release", "quern")
CHECKPOINT = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")
MODEL = f"""
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import demo_network
model = demo_network.load({CHECKPOINT!r})

@torch.no_grad()
def run(batch):
    return dict(zip(("normalized_embedding", "logits"), model(torch.from_numpy(batch))))
"""
# What the golden is made with, and a word that its report must hold.
CASES = [
    (["--resize", "bicubic"], "resize filter"), (["--resize", "lanczos"], "resize filter"),
    (["--crop-ratio", "1"], "crop ratio"), (["--crop-ratio", "0.95"], "crop ratio"), (["--crop", "rect"], "the crop"),
    (["--channel-order", "bgr"], "order of channels"), (["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"], "-1...1"),
    (["--mean", "0,0,0", "--std", "1,1,1"], "0...1"), (["--mean", "0,0,0", "--std", "1/255,1/255,1/255"], "0...255"),
    (["--resize", "bicubic", "--crop-ratio", "0.9"], "crop ratio"),
    (["--channel-order", "bgr", "--mean", "0,0,0", "--std", "1,1,1"], "order of channels"),
]
HALVES = ["--mean", "0.5,0.5,0.5", "--std", "0.25,0.25,0.25"]
# Only the framework's input tells these.
CASES_WITH_INPUT = [
    (["--crop-ratio", "64/78", "--resize", "lanczos", "--channel-order", "bgr"], "64/78"),
    (["--mean", "0.48145,0.45783,0.40821", "--std", "0.26863,0.26130,0.27577"], "mean and std"),
]


def make(folder, model, options, edit=None):
    """Runs the program for a model and returns the file that it wrote."""
    program = subprocess.run([QUERN, "golden", model, "--size", "64", *options], check=True, capture_output=True, text=True).stdout
    if edit:
        program = re.sub(r"# EDIT:.*# END OF EDIT", lambda _: edit, program, flags=re.S)
    script, golden = os.path.join(folder, "golden.py"), os.path.join(folder, "golden.safetensors")
    with open(script, "w") as file:
        file.write(program)
    sys.argv[1:] = [PHOTOGRAPHS, golden]
    runpy.run_path(script)
    return golden


def same_golden(name, folder, golden, model, keywords):
    """Returns whether the function of the Python package writes the tensors and the metadata that a program wrote."""
    path = quern.golden(model, PHOTOGRAPHS, os.path.join(folder, "function.safetensors"), size=64, **keywords)
    expected, found = load_file(golden), load_file(path)
    with safe_open(golden, "np") as one, safe_open(path, "np") as other:
        same = one.metadata() == other.metadata()
    same &= set(expected) == set(found) and all(np.array_equal(expected[key], found[key]) for key in found)
    print(f"{'ok  ' if same else 'FAIL'} {name}", flush=True)
    return same


def convert(folder, model, golden, options=()):
    """Runs a conversion; returns its exit status, its report, and whether it wrote a package."""
    package = os.path.join(folder, "model.quern")
    command = [QUERN, "convert", model, "--calibration", PHOTOGRAPHS, "--calibration-count", "16", "--size", "64", "--effort",
               "fast", "--repetitions", "1", "--min-agreement", "0", "--max-top1-drop", "100", "--max-mean-drift", "1",
               "--max-drift", "2", "--golden", golden, "--json", "--quiet", "-o", package, *options]
    if os.path.exists(package):
        os.remove(package)
    outcome = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(outcome.stdout) if outcome.stdout else {"error": outcome.stderr}
    return outcome.returncode, report, os.path.exists(package)


def without_input(folder, golden):
    """Writes a copy of a golden file without the framework's input tensors and without the metadata on preprocessing."""
    path = os.path.join(folder, "outputs.safetensors")
    with safe_open(golden, "np") as file:
        metadata = {key: value for key, value in file.metadata().items() if key in ("sha256", "framework", "size")}
    save_file({name: value for name, value in load_file(golden).items() if name != "input"}, path, metadata)
    return path


def expect_pass(name, folder, model, golden, options=()):
    status, report, has_package = convert(folder, model, golden, options)
    check = report.get("reference_check") or {}
    passed = status == 0 and has_package and check.get("passed") is True and check["images"] == 64
    figures = f"embedding {check.get('embedding_max')} logits {check.get('logits_max')}"
    print(f"{'ok  ' if passed else 'FAIL'} {name:66} {figures if check else report}", flush=True)
    return passed


def expect_named(name, folder, model, golden, word):
    """Returns whether the report names the cause and the conversion passes with the suggested options."""
    status, report, has_package = convert(folder, model, golden)
    findings = " ".join((report.get("reference_check") or {}).get("findings", []))
    gates = {gate["name"]: gate["passed"] for gate in report.get("gates", [])}
    options = re.search(r"; give (--.*)", findings)
    if status != 1 or has_package or gates.get("reference") is not False or word not in findings or not options:
        print(f"FAIL {name:66} status {status}: {findings or report}", flush=True)
        return False
    return expect_pass(name, folder, model, golden, options.group(1).split())


class NormalizedInside(torch.nn.Module):
    """A network that takes pixels of 0...255 and normalises them."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, x):
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        return self.network((x / 255 - mean) / std)


def export(network, path):
    torch.onnx.export(network, (torch.zeros(1, 3, 64, 64),), path, input_names=["image"],
                      output_names=["normalized_embedding", "logits"], dynamo=False)
    return path


def write_test_data(folder, model, batch, outputs):
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data, exist_ok=True)
    for name, value in [("input_0", batch), *((f"output_{i}", value) for i, value in enumerate(outputs))]:
        with open(os.path.join(data, name + ".pb"), "wb") as file:
            file.write(onnx.numpy_helper.from_array(value).SerializeToString())


def compare_test_data(folder, model, network):
    """Tests that test data in ONNX's format next to a model is used, and that a conversion stops if it is of another network."""
    batch = np.random.default_rng(3).standard_normal((2, 3, 64, 64), np.float32)
    with torch.no_grad():
        outputs = [value.numpy() for value in network(torch.from_numpy(batch))]
    results = []
    for name, scale in [("right", 1), ("wrong", 1.01)]:
        write_test_data(folder, model, batch, [outputs[0], outputs[1] * scale])
        package = os.path.join(folder, "model.quern")
        command = [QUERN, "convert", model, "--calibration", PHOTOGRAPHS, "--size", "64", "--effort", "fast", "--json", "--quiet",
                   "-o", package]
        outcome = subprocess.run(command, capture_output=True, text=True)
        check = json.loads(outcome.stdout)["reference_check"]
        passed = check["framework"].startswith("ONNX test data") and check["images"] == 2 and check["passed"] == (scale == 1)
        results.append(passed)
        print(f"{'ok  ' if passed else 'FAIL'} {'ONNX test data that is ' + name:66} logits {check['logits_max']}", flush=True)
    return results


def main():
    step = 3 if "--quick" in sys.argv[1:] else 1
    results = []
    with tempfile.TemporaryDirectory() as folder:
        network = demo_network.load(CHECKPOINT)
        model = export(network, os.path.join(folder, "model.onnx"))
        inside = export(NormalizedInside(network), os.path.join(folder, "inside.onnx"))
        golden = make(folder, CHECKPOINT, [], MODEL)
        results.append(expect_pass("PyTorch", folder, CHECKPOINT, golden))
        names = {"outputs": ("normalized_embedding", "logits")}
        results.append(same_golden("PyTorch, quern.golden", folder, golden, network, names))
        golden = make(folder, CHECKPOINT, ["--crop", "rect", "--resize", "lanczos", "--channel-order", "bgr", *HALVES], MODEL)
        keywords = {"crop": "rect", "resize": "lanczos", "channel_order": "bgr", "mean": [0.5] * 3, "std": [0.25] * 3}
        results.append(same_golden("PyTorch, quern.golden, other preprocessing", folder, golden, network, {**names, **keywords}))
        golden = make(folder, model, [])
        results.append(expect_pass("ONNX Runtime", folder, model, golden))
        results.append(same_golden("ONNX Runtime, quern.golden", folder, golden, model, {}))
        for options, word in (CASES + CASES_WITH_INPUT)[::step]:
            golden = make(folder, CHECKPOINT, options, MODEL)
            name = " ".join(options)
            results.append(expect_named(name, folder, CHECKPOINT, golden, word))
            if (options, word) in CASES:
                golden = without_input(folder, golden)
                results.append(expect_named(name + ", without input", folder, CHECKPOINT, golden, word))
        for options, word in CASES[:1] + CASES[5:6]:
            golden = make(folder, model, options)
            results.append(expect_named("ONNX Runtime " + " ".join(options), folder, model, golden, word))
        raw = ["--mean", "0,0,0", "--std", "1/255,1/255,1/255"]
        results.append(expect_pass("ONNX Runtime, normalised inside", folder, inside, make(folder, inside, [])))
        for options in [["--mean", "0,0,0", "--std", "1,1,1"], ["--channel-order", "bgr", *raw], ["--resize", "bicubic", *raw]]:
            golden = make(folder, inside, options)
            name = "ONNX Runtime, normalised inside, " + " ".join(options[:2])
            results.append(expect_named(name, folder, inside, golden, "the framework's"))
            results.append(expect_named(name + ", outputs", folder, inside, without_input(folder, golden), "the framework's"))
        results += compare_test_data(folder, model, network)
        results += compare_test_data(os.path.dirname(inside), inside, NormalizedInside(network))
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
