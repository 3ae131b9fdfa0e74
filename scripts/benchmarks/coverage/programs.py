"""Runs quern and the peers, each in a process of its own, and reads what they answer."""
import json
import os
import subprocess
import sys

from safetensors.numpy import load_file

from pictures import ROOT

QUERN = os.path.join(ROOT, ".build", "release", "quern")
HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(HERE, "..", "peers.py")
# The networks have no GeM, whose operations peers.py keeps in float by default; only the embedding's norm is left.
KEPT_IN_FLOAT = ["ReduceL2", "Divide"]
# Weights are random, and what plain int8 gives is the question.
NO_GATES = ["--min-agreement", "0", "--max-mean-drift", "2", "--max-drift", "2", "--max-top1-drop", "100"]
VARIANTS = {"balanced": NO_GATES, "fast": ["--effort", "fast", *NO_GATES], "thorough": ["--effort", "thorough", *NO_GATES],
            "gated": []}


class Failure(Exception):
    """What a program says when it ends with an error, in one line."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def error_line(text):
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line.lower()]
    return (errors or lines or ["no message"])[-1].removeprefix("quern: error: ")[:400]


def run(command, statuses=(0,), cpus=None):
    """The JSON that a command prints, or None."""
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    result = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin)
    if result.returncode not in statuses:
        raise Failure(error_line(result.stderr) if result.returncode >= 0 else f"killed by signal {-result.returncode}")
    return json.loads(result.stdout) if result.stdout.strip().startswith("{") else None


def embed(model, pictures, preparation, size, output):
    """Quern's outputs of the crops, by name."""
    options = preparation.options() if not model.endswith(".quern") else []
    run([QUERN, "embed", model, pictures.crops, "-o", output, "--crop", "rect", "--size", str(size), "--quiet", *options])
    return load_file(output)


def convert(model, calibration, verification, preparation, size, variant, output):
    """Converts, and returns the report."""
    if os.path.exists(output):
        os.remove(output)
    report = run([QUERN, "convert", model, "--calibration", calibration.originals, "--verify-images", verification.originals,
                  "--size", str(size), "--crop", "square", "--resize", preparation.resize, "--crop-ratio", str(preparation.crop_ratio),
                  "-o", output, "--json", "--quiet", *preparation.options(), *VARIANTS[variant]], statuses=(0, 1))
    if not os.path.exists(output):
        raise Failure("no package was written")
    return report


def export(package, output):
    run([QUERN, "export", package, "-o", output, "--quiet"])


def quantize_with(peer, model, pictures, output):
    """Makes the peer's int8 model, unless it is there."""
    if not os.path.exists(output):
        run([sys.executable, PEERS, "quantize", peer, model, pictures.array, str(pictures.count), output,
             "--keep-float", *KEPT_IN_FLOAT])


def bench(competitor, model, threads, batch, size, runs, cpus):
    """Milliseconds per image, the median of the runs."""
    options = ["--threads", str(threads), "--batch", str(batch), "--size", str(size), "--runs", str(runs)]
    peer = competitor in ("onnxruntime", "openvino")
    command = [sys.executable, PEERS, "bench", competitor, model, *options] if peer else \
        [QUERN, "bench", model, *options, "--json", "--quiet"]
    return run(command, cpus=cpus)["ms_per_image"]["median"]
