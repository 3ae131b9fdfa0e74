"""Golden files: written by a function, and accepted or refused by the tool.

The tool compares the tensors that the network was given, too, so that preprocessing is checked against the tool's own.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import CHECKPOINT, PHOTOGRAPHS, run_tool
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import quern

COUNT = 12


@pytest.fixture(scope="module")
def chosen(photographs):
    return [photographs[index * len(photographs) // COUNT] for index in range(COUNT)]


@pytest.fixture(scope="module")
def network(chosen, tmp_path_factory):
    """The float network at 64 pixels with a square crop, as a function that knows the images of `chosen`, in order."""
    folder = tmp_path_factory.mktemp("float")

    def make(channel_order="rgb"):
        path = folder / f"{channel_order}.safetensors"
        run_tool("embed", CHECKPOINT, *chosen, "--size", "64", "--channel-order", channel_order, "-o", path, "--quiet")
        rows = load_file(path)
        count = iter(range(COUNT))

        def run(batch):
            assert (batch.shape, batch.dtype) == ((1, 3, 64, 64), np.float32)
            index = next(count)
            return {name: value[index : index + 1] for name, value in rows.items()}

        return run

    return make


def convert(golden, tmp_path, **options):
    return quern.convert(
        CHECKPOINT,
        calibration=PHOTOGRAPHS,
        output=tmp_path / "a.quern",
        golden=golden,
        size=64,
        effort="fast",
        **options,
    )


def test_a_golden_file_is_accepted(network, chosen, tmp_path):
    path = quern.golden(
        network(), PHOTOGRAPHS, tmp_path / "golden.safetensors", size=64, count=COUNT, framework="None 1.0"
    )
    tensors = load_file(path)
    assert {name: value.shape[0] for name, value in tensors.items()} == dict.fromkeys(
        ("input", "logits", "normalized_embedding"), COUNT
    )
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["sha256"]) == [hashlib.sha256(image.read_bytes()).hexdigest() for image in chosen]
    assert (metadata["size"], metadata["crop"], metadata["resize"]) == ("64", "square", "bilinear")
    report = convert(path, tmp_path)
    check = report.raw["reference_check"]
    assert (check["passed"], check["images"], check["framework"]) == (True, COUNT, "None 1.0")
    assert check["input_embedding_max"] < 1e-6
    assert report.gates[0].name == "reference"


def test_the_program_of_the_tool_writes_the_same_inputs(network, chosen, tmp_path):
    program = run_tool("golden", "--size", "64", "--count", str(COUNT), "--framework", "pytorch")
    # The lines before the loop: how images are chosen and become inputs.
    names = {"__name__": "program"}
    lines = program.split("# EDIT")[0].replace(", torch", "") + program.split("# END OF EDIT")[1].split("rows = {}")[0]
    argv, sys.argv = sys.argv, ["golden.py", str(PHOTOGRAPHS)]
    try:
        exec(compile(lines, "golden.py", "exec"), names)  # noqa: S102 - the program is that of the tool
    finally:
        sys.argv = argv
    assert names["paths"] == chosen
    path = quern.golden(network(), PHOTOGRAPHS, tmp_path / "golden.safetensors", size=64, count=COUNT)
    inputs = load_file(path)["input"]
    assert all(np.array_equal(inputs[index], names["load"](image)[0]) for index, image in enumerate(chosen))


def test_another_preprocessing_is_explained(network, chosen, tmp_path):
    bgr = network("bgr")
    path = quern.golden(bgr, chosen, tmp_path / "golden.safetensors", size=64, channel_order="bgr")
    with pytest.raises(quern.GateFailed, match="reference") as caught:
        convert(path, tmp_path, check=True)
    assert any("--channel-order bgr" in finding for finding in caught.value.report.raw["reference_check"]["findings"])
    assert caught.value.report.drift is None
    assert not (tmp_path / "a.quern").exists()


@pytest.mark.parametrize("crop", ["square", "rect"])
def test_images_of_different_shapes_have_no_inputs(crop, tmp_path):
    shapes = []

    def network(batch):
        shapes.append(batch.shape)
        return np.ones((1, 4), np.float32)

    images = [np.zeros((40, 60, 3), np.uint8), np.zeros((60, 40, 3), np.uint8)]
    paths = [tmp_path / f"{index}.png" for index in range(2)]
    for image, path in zip(images, paths, strict=True):
        quern._images.PIL.Image.fromarray(image).save(path)
    path = quern.golden(network, paths, tmp_path / "g.safetensors", size=32, crop=crop, outputs="embedding")
    assert shapes == ([(1, 3, 32, 32)] * 2 if crop == "square" else [(1, 3, 21, 32), (1, 3, 32, 21)])
    assert ("input" in load_file(path)) == (crop == "square")


@pytest.mark.parametrize(
    ("returned", "outputs", "names"),
    [
        (np.ones((1, 3)), "logits", {"logits"}),
        ((np.ones((1, 3)), np.ones((1, 5))), ("embedding", "logits"), {"embedding", "logits"}),
        ((np.ones((1, 3)), np.ones((1, 5))), (None, "logits"), {"logits"}),
        ({"logits": np.ones((1, 3)), "other": 1}, None, {"logits"}),
        ({"z": np.ones((1, 3))}, {"normalized_embedding": "z"}, {"normalized_embedding"}),
    ],
)
def test_outputs_have_names(returned, outputs, names, chosen, tmp_path):
    path = quern.golden(lambda batch: returned, chosen[:2], tmp_path / "g.safetensors", size=32, outputs=outputs)
    assert set(load_file(path)) == names | {"input"}


@pytest.mark.parametrize(
    ("returned", "outputs", "error", "message"),
    [
        (np.ones((1, 3)), None, quern.InvalidArgumentError, "outputs must say"),
        (np.ones((1, 3)), "classes", quern.InvalidArgumentError, "nothing else"),
        ((np.ones((1, 3)),) * 2, "logits", quern.InvalidArgumentError, "returns 2 values"),
        ((np.ones((1, 3)),) * 2, ("logits",), quern.InvalidArgumentError, "returns 2 values, but"),
        ({"z": np.ones((1, 3))}, None, quern.InvalidArgumentError, "the model returns z"),
        ({"z": np.ones((1, 3))}, {"logits": "y"}, quern.InvalidArgumentError, "returns no 'y'"),
        (np.ones(3), "logits", quern.BadDataError, r"an array \[1, n\], not \[3\]"),
        (np.full((1, 3), np.nan), "logits", quern.BadDataError, "not finite"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(returned, outputs, error, message, chosen, tmp_path):
    with pytest.raises(error, match=message):
        quern.golden(lambda batch: returned, chosen[:2], tmp_path / "g.safetensors", size=32, outputs=outputs)
    assert list(tmp_path.iterdir()) == []


def test_only_golden_files_are_replaced(chosen, tmp_path):
    def write(path):
        return quern.golden(lambda batch: np.ones((1, 3)), chosen[:2], path, size=32, outputs="logits")

    path = tmp_path / "model.safetensors"
    save_file({"weight": np.ones(3, np.float32)}, path)
    before = path.read_bytes()
    with pytest.raises(quern.CannotCreateError, match="not a golden file"):
        write(path)
    assert path.read_bytes() == before
    assert write(tmp_path / "golden.safetensors") == write(tmp_path / "golden.safetensors")
    with pytest.raises(quern.InvalidArgumentError, match=r"must end in \.safetensors"):
        write(tmp_path / "golden.pth")
    with pytest.raises(quern.CannotCreateError, match="cannot write"):
        write(tmp_path / "absent/golden.safetensors")


@pytest.mark.parametrize(
    "options", [{"size": 0}, {"size": 32, "std": (0, 1, 1)}, {"size": 32, "crop": "round"}, {"size": 32, "mean": (0,)}]
)
def test_wrong_options(options, chosen, tmp_path):
    with pytest.raises(quern.InvalidArgumentError):
        quern.golden(lambda batch: batch, chosen, tmp_path / "g.safetensors", outputs="logits", **options)


def test_models_that_cannot_be_run(chosen, tmp_path):
    with pytest.raises(quern.InvalidArgumentError, match="only ONNX"):
        quern.golden(CHECKPOINT, chosen, tmp_path / "g.safetensors", size=32)
    with pytest.raises(quern.NotFoundError, match="absent"):
        quern.golden(tmp_path / "absent.onnx", chosen, tmp_path / "g.safetensors", size=32)
    with pytest.raises(quern.InvalidArgumentError, match="not int"):
        quern.golden(3, chosen, tmp_path / "g.safetensors", size=32)
    with pytest.raises(quern.NotFoundError, match=r"no \.jpg"):
        quern.golden(lambda batch: batch, tmp_path, tmp_path / "g.safetensors", size=32)


def test_turned_images(tmp_path: Path) -> None:
    """Images are given to the model as they are stored, or upright, and the file says which."""
    folder = Path(__file__).resolve().parents[2] / "fixtures/images"
    inputs = {}
    for exif_orientation in (False, True):
        seen: list[np.ndarray] = []

        def model(batch: np.ndarray, seen: list[np.ndarray] = seen) -> np.ndarray:
            seen.append(batch)
            return np.ones((1, 4), np.float32)

        path = quern.golden(
            model,
            [folder / "oriented-6.png"],
            tmp_path / f"{exif_orientation}.safetensors",
            size=35,
            crop="rect",
            outputs="embedding",
            exif_orientation=exif_orientation,
        )
        assert seen[0].shape == ((1, 3, 35, 25) if exif_orientation else (1, 3, 25, 35))
        assert f'"exif_orientation":"{str(exif_orientation).lower()}"'.encode() in path.read_bytes().replace(b" ", b"")
        inputs[exif_orientation] = seen[0]
    assert not np.array_equal(inputs[False].transpose(0, 1, 3, 2), inputs[True])


@pytest.mark.parametrize("place", ["images", "output", "model"])
def test_paths_that_no_file_has(place, tmp_path):
    places = {"model": "m.onnx", "images": [PHOTOGRAPHS / "none.jpg"], "output": tmp_path / "golden.safetensors"}
    with pytest.raises(quern.InvalidArgumentError, match=r"a\\u\{0\}.*zero byte"):
        quern.golden(**{**places, place: "a\0.safetensors"}, size=64, outputs="embedding")
