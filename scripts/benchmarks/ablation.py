#!/usr/bin/env python3
"""Converts checkpoints with each method of quantisation alone and with several together, and prints a Markdown table of drift,
agreement, bytes, and seconds of conversion. Needs a release build and nothing from PyPI.

    scripts/ablation
    scripts/ablation senet154.pth pnasnet5large.pth --calibration photos/ --verify-images others/ --size 224

    scripts/ablation --budgets 0.95,0.9,18MB --beside resnet50.ort-int8.onnx    # drift by bytes instead of by method

Gates are off, so that no method is helped by the search for 16-bit activations; the last rows show what those do.
"""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
BUNDLED = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")
METHODS = [
    ("min-max ranges, nearest rounding", ["--effort", "fast", "--range", "min-max"]),
    ("percentile 99.99", ["--effort", "fast", "--range", "percentile:99.99"]),
    ("least squared error (fast)", ["--effort", "fast"]),
    ("with equalisation", ["--effort", "fast", "--equalization"]),
    ("with error feedback", ["--effort", "fast", "--rounding", "error-feedback"]),
    ("with learned rounding", ["--effort", "fast", "--rounding", "learned"]),
    ("with equalisation and error feedback (balanced)", ["--effort", "balanced"]),
    ("with equalisation and learned rounding", ["--effort", "balanced", "--rounding", "learned"]),
    ("16-bit activations, nearest rounding", ["--effort", "thorough", "--rounding", "nearest"]),
    ("16-bit activations, error feedback", ["--effort", "thorough", "--rounding", "error-feedback"]),
    ("16-bit activations, learned rounding (thorough)", ["--effort", "thorough"]),
]


EFFORTS = ("balanced", "thorough")


def convert(checkpoint, method, options):
    output = os.path.join(ROOT, ".build", "ablation.quern")
    command = [QUERN, "convert", checkpoint, "-o", output, "--json", "--quiet", "--min-agreement", "0", "--max-mean-drift", "2",
               "--max-drift", "2", "--max-top1-drop", "100", *method, *options]
    result = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(result.stdout) if result.stdout else {}
    failed = [gate["name"] for gate in report.get("gates", []) if not gate["passed"]]
    # A budget that cannot be kept is a result, too.
    if result.returncode != 0 and failed != ["package_bytes"]:
        sys.exit(f"{' '.join(command)}\nended with {result.returncode}:\n{result.stderr[-2000:]}")
    return report


def row(name, report):
    def percent(figures):
        return "" if figures.get("top1") is None else f"{figures['top1']:.2f}"

    drift = report["drift"]
    # Verification is no part of the method.
    seconds = sum(value for stage, value in report["seconds"].items() if stage != "verify")
    return [name, f"{drift['mean']:.6f}", f"{drift['p99']:.6f}", f"{drift['max']:.6f}", percent(report["agreement"]),
            percent(report["int8"]), f"{report['package']['bytes'] / 1e6:.2f}", f"{seconds:.1f}"]


def print_row(cells):
    print(f"| {' | '.join(cells)} |", flush=True)


def print_header(cells):
    print_row(cells)
    print_row(["---"] * len(cells))


def print_frontier(checkpoint, budgets, beside, options):
    """Drift by bytes: a row for each budget and effort, the package without a budget first."""
    print_header([os.path.basename(checkpoint), "budget", "MB", *(["ratio"] if beside else []), "mean drift", "p99", "max",
                  "agreement %", "top-1 %", "coarser %"])
    for effort in EFFORTS:
        free = None
        for budget in [None, *budgets]:
            if budget and budget.replace(".", "", 1).isdigit() and float(budget) <= 1:
                budget = str(int(float(budget) * free))
            report = convert(checkpoint, ["--effort", effort, *(["--max-bytes", budget] if budget else [])], options)
            size = report["package"]["bytes"]
            free = free or size
            _, mean, p99, largest, agreement, top1, megabytes, _ = row(effort, report)
            missed = " (missed)" if budget and not all(gate["passed"] for gate in report["gates"]) else ""
            print_row([effort, budget or "none", megabytes + missed, *([f"{size / beside:.3f}"] if beside else []), mean, p99, largest,
                       agreement, top1, f"{report['settings']['coarser_weights_percent']:.1f}"])
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="*", default=[BUNDLED])
    parser.add_argument("--calibration", default=PHOTOGRAPHS)
    parser.add_argument("--budgets", type=lambda text: text.split(","),
                        help="sizes for --max-bytes; those up to 1 are shares of the package without a budget")
    parser.add_argument("--beside", type=os.path.getsize, help="a file to give the ratio of the bytes to")
    arguments, options = parser.parse_known_args()
    options += ["--calibration", arguments.calibration]
    if arguments.checkpoints == [BUNDLED] and arguments.calibration == PHOTOGRAPHS:
        options += ["--calibration-count", "48", "--size", "64", "--crop", "rect"]
    for checkpoint in arguments.checkpoints:
        if arguments.budgets:
            print_frontier(checkpoint, arguments.budgets, arguments.beside, options)
            continue
        header = [os.path.basename(checkpoint), "mean drift", "p99", "max", "agreement %", "top-1 %", "MB", "seconds"]
        print_header(header)
        for name, method in METHODS:
            print_row(row(name, convert(checkpoint, method, options)))
        print(flush=True)


if __name__ == "__main__":
    main()
