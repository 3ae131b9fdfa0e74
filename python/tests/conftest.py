"""A converted network, and what the tool computes with it, which the package is compared with."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from quern import _binary

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "fixtures/demo/multigrain_r50w16_tiny50.pth"
PHOTOGRAPHS = ROOT / "fixtures/photographs"


def run_tool(*arguments):
    """Runs the bundled tool, and returns what it prints."""
    result = subprocess.run([_binary.path(), *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode in (0, 1), result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def photographs():
    return sorted(PHOTOGRAPHS.glob("*.jpg"))


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The demonstration's network at two sizes, verified."""
    path = tmp_path_factory.mktemp("package") / "demo.quern"
    run_tool(
        "convert", CHECKPOINT, "--calibration", PHOTOGRAPHS, "--size", "64", "--size", "96:4", "--crop", "rect",
        "--no-stop-when-decided", "-o", path, "--quiet",
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def expected(package, tmp_path_factory, photographs):
    """What the tool writes for the photographs, in their order: embeddings and logits."""
    path = tmp_path_factory.mktemp("expected") / "outputs.safetensors"
    run_tool("embed", package, *photographs, "-o", path, "--quiet")
    tensors = load_file(path)
    return tensors["normalized_embedding"], tensors["logits"]


def same_bits(found, wanted):
    """Whether two arrays of float32 are the same bits."""
    return (
        found.dtype == np.float32 == wanted.dtype
        and found.shape == wanted.shape
        and np.array_equal(np.ascontiguousarray(found).view(np.uint32), np.ascontiguousarray(wanted).view(np.uint32))
    )
