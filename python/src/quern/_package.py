"""What an open package states, for one image size."""

from __future__ import annotations

import ctypes
import functools
import json
import math
import operator
from typing import Any, Literal, cast

from quern import _library
from quern._errors import BadDataError, InvalidArgumentError
from quern._results import Fidelity, Memory, Verdict
from quern._sessions import Handle
from quern._text import printable


class Package:
    """An open package, and the size and the exponent that it is used with."""

    def __init__(self, handle: Handle, size: int | None, threads: int | None, pooling_exponent: float | None) -> None:
        """Takes an open package.

        Args:
            handle: The open package.
            size: The image size in pixels; `None` for the first that the package was converted for.
            threads: The number of threads that a session runs on; `None` for one for each processor.
            pooling_exponent: The exponent of GeM pooling; `None` for that of the size.
        """
        self._open_handle: Handle | None = handle
        self._size, self._threads, self._pooling_exponent = size, threads, pooling_exponent

    @property
    def dimension(self) -> int:
        """The number of elements of an embedding."""
        return int(self._get("dimension"))

    @property
    def classes(self) -> int:
        """The number of classes; 0 without a classifier."""
        return int(self._get("class_count"))

    @functools.cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the classes in the order of the logits; `None` if the package does not name them."""
        names = [self._get("label", index) for index in range(self.classes)]
        return None if not names or None in names else tuple(map(_library.text, names))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The image sizes that the package was converted for, in pixels, with the default first."""
        return tuple(int(self._get("size", index)) for index in range(self._get("size_count")))

    @property
    def size(self) -> int:
        """The image size that this model uses, in pixels."""
        return self._size or self.sizes[0]

    @property
    def pooling_exponent(self) -> float | None:
        """The exponent of GeM pooling that this model uses.

        It is `None` for a network without GeM, and at a size that the package was not converted for, where the network
        pools by its own exponent.
        """
        if self._pooling_exponent is not None:
            return self._pooling_exponent
        index = self._size_index
        return None if index is None else float(self._get("pooling_exponent", index)) or None

    @property
    def crop(self) -> Literal["square", "rect"]:
        """How images are cropped.

        With `square`, the short side is resized to `size / crop_ratio`, and a square is cut from the centre. With
        `rect`, the long side is resized to `size`, and nothing is cut off.
        """
        return cast(Literal["square", "rect"], self._text("crop"))

    @property
    def crop_ratio(self) -> float:
        """The share of the resized image's short side that a square crop keeps."""
        return float(self._get("crop_ratio"))

    @property
    def resize(self) -> str:
        """The filter that images are resized by, as in Pillow: `bilinear`, `bicubic` or `lanczos`."""
        return self._text("resize_filter")

    @property
    def architecture(self) -> str:
        """The name of the network's architecture, which is for people."""
        return self._text("architecture")

    @property
    def content_hash(self) -> str:
        """The content hash in hexadecimal digits. It is the same for packages that compute the same."""
        return self._text("content_hash")

    @property
    def format_version(self) -> str:
        """The version of the package's format, such as `1.0`."""
        version = int(self._get("format_version"))
        return f"{version // 10000}.{version // 100 % 100}"

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """The metadata of the package (formats/package.md, "Metadata section"); empty if it has none.

        They contain its source, how it was calibrated, and the report of its verification.

        Raises:
            BadDataError: The metadata are damaged.
        """
        handle = self._handle
        text, length = ctypes.c_char_p(), ctypes.c_size_t()
        _library.check(_library.load().quern_model_metadata(handle.pointer, ctypes.byref(text), ctypes.byref(length)))
        try:
            return cast(dict[str, Any], json.loads(text.value)) if text.value else {}
        except (ValueError, RecursionError) as error:
            raise BadDataError(f"the metadata are not JSON: {printable(error)}") from error

    @property
    def fidelity(self) -> Fidelity | None:
        """The fidelity that the package states for this model's size.

        It is `None` if the package was not verified at this size, or the model pools by another exponent.

        Raises:
            BadDataError: The metadata are damaged.
        """
        index = self._size_index
        if index is None:
            return None
        if self._pooling_exponent not in (None, float(self._get("pooling_exponent", index))):
            return None
        handle = self._handle
        figures = _library.Fidelity(struct_size=ctypes.sizeof(_library.Fidelity))
        _library.check(_library.load().quern_model_fidelity(handle.pointer, index, ctypes.byref(figures)))
        return _fidelity(figures) if figures.measured else None

    def peak_memory(self, size: int | None = None, *, image: tuple[int, int] | None = None) -> Memory:
        """The memory that embedding will need, before any of it is allocated.

        Args:
            size: The image size in pixels; by default that of this model.
            image: The height and the width of the images that will be given; by default those of the network's input,
                a square.

        Raises:
            ImageSizeError: The network cannot take images of this size.
            InvalidArgumentError: A number is out of range.
        """
        handle = self._handle
        height, width = image or (0, 0)
        memory = _library.Memory(struct_size=ctypes.sizeof(_library.Memory))
        options = self._options(self._size if size is None else size)
        _library.check(
            _library.load().quern_peak_memory(
                handle.pointer,
                ctypes.byref(options),
                count(height, "the height", least=0),
                count(width, "the width", least=0),
                ctypes.byref(memory),
            )
        )
        return Memory(memory.model_bytes, memory.loading_bytes, memory.session_bytes, memory.peak_bytes)

    def _options(self, size: int | None) -> _library.SessionOptions:
        if self._pooling_exponent is not None and not self._pooling_exponent > 0:
            raise InvalidArgumentError(f"pooling_exponent must be positive, not {self._pooling_exponent}")
        return _library.SessionOptions(
            struct_size=ctypes.sizeof(_library.SessionOptions),
            threads=count(self._threads, "threads"),
            size=count(size, "size"),
            pooling_exponent=self._pooling_exponent or 0.0,
        )

    @property
    def _handle(self) -> Handle:
        handle = self._open_handle
        if handle is None:
            raise InvalidArgumentError("the model is closed")
        return handle

    @property
    def _size_index(self) -> int | None:
        sizes = self.sizes
        return sizes.index(self.size) if self.size in sizes else None

    def _get(self, name: str, *arguments: int) -> Any:
        """Calls the function `quern_model_` with the name."""
        handle = self._handle
        return getattr(_library.load(), f"quern_model_{name}")(handle.pointer, *arguments)

    def _text(self, name: str) -> str:
        # ctypes has copied the string.
        return _library.text(self._get(name))


def count(value: int | None, name: str, *, least: int = 1) -> int:
    """A number for an option of the library, where 0 stands for the default."""
    if value is None:
        return 0
    number = operator.index(value)
    if not least <= number < 1 << 32:
        raise InvalidArgumentError(f"{name} must be at least {least}, not {number}")
    return number


def _fidelity(figures: _library.Fidelity) -> Fidelity:
    names = [name for name, _ in _library.Fidelity._fields_ if name.startswith(("drift", "agreement", "decisive"))]
    names += ["float_top1", "int8_top1", "top1_drop", "neighbour_top1"]
    values = {name: getattr(figures, name) for name in names}
    return Fidelity(
        passed=bool(figures.passed),
        verdict=cast(Verdict, _library.VERDICTS[figures.verdict]),
        size=figures.size,
        images=figures.images,
        labelled_images=figures.labelled_images,
        **{name: None if math.isnan(value) else value for name, value in values.items()},
    )
