"""Golden files: the outputs of a network in its own framework (formats/golden.md)."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL.Image

from quern import _images, _safetensors
from quern._errors import BadDataError, CannotCreateError, InvalidArgumentError, NotFoundError, allocating
from quern._text import encoded, printable

Floats: TypeAlias = npt.NDArray[np.float32]
OutputName: TypeAlias = Literal["normalized_embedding", "embedding", "logits"]

_OUTPUTS = ("normalized_embedding", "embedding", "logits")
_FILTERS = {
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "lanczos": PIL.Image.Resampling.LANCZOS,
}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def golden(
    model: Any,
    images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    size: int,
    outputs: OutputName | Sequence[OutputName | None] | Mapping[OutputName, str] | None = None,
    crop: Literal["square", "rect"] = "square",
    crop_ratio: float = 0.875,
    resize: Literal["bilinear", "bicubic", "lanczos"] = "bilinear",
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    channel_order: Literal["rgb", "bgr"] = "rgb",
    exif_orientation: bool = False,
    count: int = 64,
    framework: str | None = None,
) -> Path:
    """Records what a model computes in its own framework.

    The file is for the option `golden` of `quern.convert` and `quern.verify`, which find the images by their contents,
    and compare Quern's float network with the file before anything else. The preprocessing must be what the model was
    trained with; give the same options there.

    Args:
        model: A module of PyTorch, which is run in evaluation mode on its own device; the path of an ONNX model, which
            ONNX Runtime runs; or a function that takes a float32 array [1, 3, height, width].
        images: A folder of JPEG, PNG and WebP files, with its subfolders, or the paths of such files.
        output: The file to write, whose name ends in `.safetensors`. Only a golden file is replaced.
        size: The image size in pixels.
        outputs: What the model returns: a name, or the names of a tuple in its order, with `None` for what is left out.
            The names are `normalized_embedding`, `embedding` and `logits`. Of a model that returns a dictionary, and of
            an ONNX model, the names of its outputs by these names, as in `{"logits": "output_0"}`. By default, outputs
            that already have these names are taken.
        crop: `square` or `rect`, as for the tool.
        crop_ratio: The share of the resized image's short side that a square crop keeps.
        resize: The filter that images are resized by.
        mean: What is subtracted from pixels of 0 to 1, in the order red, green, blue.
        std: What they are divided by.
        channel_order: The order in which the model takes the channels.
        exif_orientation: Whether images are turned upright as their EXIF data say.
        count: The maximum number of images, spread evenly over the sorted folder, or over the paths.
        framework: The name and version of the framework; by default that of PyTorch or ONNX Runtime.

    Returns:
        The path of the file.

    Raises:
        InvalidArgumentError: An option is out of range, or `outputs` does not fit what the model returns.
        NotFoundError: There is no image, or no model.
        ImageError: An image cannot be decoded.
        BadDataError: An output of the model is not an array of one row, or not finite.
        CannotCreateError: The file cannot be written, or there is another kind of file.
    """
    if crop not in ("square", "rect") or resize not in _FILTERS or channel_order not in ("rgb", "bgr"):
        raise InvalidArgumentError("crop, resize or channel_order has a value that its description does not list")
    if not 1 <= size <= 8192 or count < 1 or not 0.1 <= crop_ratio <= 1:
        raise InvalidArgumentError("size must be from 1 to 8192, count at least 1, and crop_ratio from 0.1 to 1")
    if len(mean) != 3 or len(std) != 3 or not all(value > 0 for value in std):
        raise InvalidArgumentError("mean and std must have three values, and those of std must be positive")
    _check_output(Path(output))
    factors = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    paths = _paths(images, count)
    rows: dict[str, list[Floats]] = {}
    with _runner(model, outputs) as (run, name), allocating("the inputs and outputs of the model"):
        for path in paths:
            image = PIL.Image.fromarray(_images.decode(path, exif_orientation=exif_orientation))
            batch = _input(image, size, crop, crop_ratio, _FILTERS[resize], factors, channel_order)
            for key, value in {**run(batch), "input": batch}.items():
                rows.setdefault(key, []).append(_row(key, value, path))
    if len({row.shape for row in rows["input"]}) > 1:
        del rows["input"]  # Images of different shapes do not fit into one tensor.
    metadata = {
        "sha256": json.dumps([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]),
        "size": str(size),
        "crop": crop,
        "crop_ratio": repr(float(crop_ratio)),
        "resize": resize,
        "channel_order": channel_order,
        "exif_orientation": "true" if exif_orientation else "false",
        "mean": json.dumps([float(value) for value in factors[0]]),
        "std": json.dumps([float(value) for value in factors[1]]),
    }
    if framework or name:
        metadata["framework"] = framework or name
    try:
        with allocating("the outputs of the model"):
            tensors = {key: np.concatenate(values) for key, values in rows.items()}
            _safetensors.write(Path(output), tensors, metadata)
    except OSError as error:
        raise CannotCreateError(f"{printable(os.fspath(output))}: cannot write the file: {error.strerror}") from error
    return Path(output)


def _check_output(path: Path) -> None:
    """Refuses to replace anything but a golden file."""
    encoded(path, "the path of a golden file")
    if path.suffix.lower() != ".safetensors":
        raise InvalidArgumentError(f"{printable(path)}: the name of a golden file must end in .safetensors")
    if path.exists() and "sha256" not in _safetensors.metadata(path):
        raise CannotCreateError(f"{printable(path)}: the file exists, and is not a golden file; choose another name")


def _paths(images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], count: int) -> list[Path]:
    """The images to use, as the programs of `quern golden` choose them."""
    if isinstance(images, (str, os.PathLike)):
        encoded(images, "the path of a folder")
        folder = Path(images)
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        if not paths:
            raise NotFoundError(
                f"{printable(folder)}: no .jpg, .jpeg, .png or .webp files in the folder or its subfolders"
            )
    else:
        paths = [Path(path) for path in images]
        if not paths:
            raise NotFoundError("there are no images")
    used = min(count, len(paths))
    return [paths[index * len(paths) // used] for index in range(used)]


def _input(
    image: PIL.Image.Image,
    size: int,
    crop: str,
    crop_ratio: float,
    resize: PIL.Image.Resampling,
    factors: tuple[Floats, Floats],
    channel_order: str,
) -> Floats:
    """What the network is given for an image, [1, 3, height, width]."""
    width, height = image.size
    if crop == "square":
        short = int(size / crop_ratio)
        width, height = (
            (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
        )
        left, top = round((width - size) / 2), round((height - size) / 2)
        image = image.resize((width, height), resize).crop((left, top, left + size, top + size))
    else:
        width, height = (size, int(size * height / width)) if width >= height else (int(size * width / height), size)
        image = image.resize((width, height), resize)
    pixels = (np.asarray(image, np.float32) / np.float32(255) - factors[0]) / factors[1]
    if channel_order == "bgr":
        pixels = pixels[..., ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis])


# Running


_Run: TypeAlias = Callable[[Floats], dict[str, Any]]


@contextmanager
def _runner(model: Any, outputs: Any) -> Iterator[tuple[_Run, str]]:
    """A function that runs a model, and the name and version of its framework."""
    torch = sys.modules.get("torch")
    if isinstance(model, (str, os.PathLike)):
        with _onnx_runner(os.fspath(model), outputs) as runner:
            yield runner
    elif torch is not None and isinstance(model, torch.nn.Module):
        yield from _torch_runner(torch, model, outputs)
    elif callable(model):
        yield lambda batch: _named(model(batch), outputs), ""
    else:
        raise InvalidArgumentError(
            f"a model is a module of PyTorch, the path of an ONNX model or a function, not {type(model).__name__}"
        )


def _torch_runner(torch: Any, model: Any, outputs: Any) -> Iterator[tuple[_Run, str]]:
    parameter = next(model.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    modes = {module: module.training for module in model.modules()}

    def run(batch: Floats) -> dict[str, Any]:
        with torch.no_grad():
            return _named(model(torch.from_numpy(batch).to(device)), outputs)

    model.eval()
    try:
        yield run, f"PyTorch {torch.__version__.split('+')[0]}"
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _onnx_runner(path: str, outputs: Any) -> Iterator[tuple[_Run, str]]:
    encoded(path, "the path of a model")
    if not path.lower().endswith(".onnx"):
        raise InvalidArgumentError(
            f"{printable(path)}: only ONNX models can be run from a file; build the network and pass its module instead"
        )
    if not Path(path).is_file():
        raise NotFoundError(f"{printable(path)}: there is no such file")
    try:
        import onnxruntime
    except ImportError as error:
        raise InvalidArgumentError("an ONNX model is run by ONNX Runtime: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    # The model as it is written: on some processors, sums of fused integer operators saturate.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    names = [output.name for output in session.get_outputs()]

    def run(batch: Floats) -> dict[str, Any]:
        values = session.run(names, {feed: batch})
        if outputs is None or isinstance(outputs, Mapping):
            return _named(dict(zip(names, values, strict=True)), outputs)
        return _named(values[0] if isinstance(outputs, str) else values, outputs)

    yield run, f"ONNX Runtime {onnxruntime.__version__}"


def _named(value: Any, outputs: Any) -> dict[str, Any]:
    """The outputs of a model by the names of golden files."""
    if isinstance(value, Mapping):
        names = outputs if outputs is not None else {name: name for name in _OUTPUTS if name in value}
        if not isinstance(names, Mapping):
            raise InvalidArgumentError(
                f"the model returns {', '.join(map(printable, value))}; outputs must be a dictionary"
            )
        if missing := [name for name in names.values() if name not in value]:
            raise InvalidArgumentError(f"the model returns no {missing[0]!r}, only {', '.join(map(printable, value))}")
        found = {name: value[key] for name, key in names.items()}
    elif isinstance(outputs, str):
        if isinstance(value, (tuple, list)):
            raise InvalidArgumentError(f"the model returns {len(value)} values; outputs must have a name for each")
        found = {outputs: value}
    elif isinstance(outputs, Sequence):
        values = value if isinstance(value, (tuple, list)) else [value]
        if len(values) != len(outputs):
            raise InvalidArgumentError(f"the model returns {len(values)} values, but outputs has {len(outputs)} names")
        found = {name: item for name, item in zip(outputs, values, strict=True) if name is not None}
    else:
        raise InvalidArgumentError(f"outputs must say what the model returns: {', '.join(_OUTPUTS)}")
    if not found or any(name not in _OUTPUTS for name in found):
        raise InvalidArgumentError(
            f"outputs must name at least one of {', '.join(_OUTPUTS)}, and nothing else"
            + (f"; the model returns {', '.join(map(printable, value))}" if isinstance(value, Mapping) else "")
        )
    return found


def _row(name: str, value: Any, path: Path) -> Floats:
    """One row of a tensor, in float32."""
    if hasattr(value, "detach"):
        value = value.detach().float().cpu()
    row = np.ascontiguousarray(value, np.float32)
    if row.ndim < 2 or row.shape[0] != 1 or (name != "input" and row.ndim != 2):
        raise BadDataError(f"{printable(path)}: {name} must be an array [1, n], not {list(row.shape)}")
    if not np.isfinite(row).all():
        raise BadDataError(f"{printable(path)}: {name} is not finite")
    return row
