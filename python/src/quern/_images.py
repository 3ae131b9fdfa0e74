"""From what callers have (files, Pillow's images, arrays) to pixels, and from a stream of these to batches."""

from __future__ import annotations

import errno
import io
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageOps

from quern._errors import ImageError, InputOutputError, NotFoundError, OutOfMemoryError, allocating
from quern._text import encoded, printable

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Pixels [height, width, 3] of 8 bits in the order red, green, blue, packed within rows."""

Image: TypeAlias = str | os.PathLike[str] | bytes | PIL.Image.Image | npt.NDArray[Any]
"""One image: the path of a JPEG, PNG or WebP file, the bytes of such a file, an image of Pillow, or an array of uint8
[height, width, 3] in the order red, green, blue."""

Images: TypeAlias = Image | Iterable[Image]
"""One image, an array of uint8 [n, height, width, 3], or any iterable of images, which is read as it is used."""

# Decoded images that wait for the network, and those of one batch, take about this much memory at most.
_PENDING_BYTES = 64 << 20

# Modes whose conversion to RGB is defined, and is what the tool does with such files: alpha is dropped.
_RGB_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"})


def batches(images: Images, batch_size: int, workers: int) -> Iterator[list[Pixels]]:
    """Groups images, in their order.

    Args:
        images: The images. An iterator is read on the calling thread, at most a batch ahead.
        batch_size: The maximum number of images of a batch.
        workers: The number of threads that decode files.

    Yields:
        Lists of at least one image. A list is shorter than `batch_size` where its pixels would take more memory.
    """
    batch: list[Pixels] = []
    byte_count = 0
    for pixels in _decoded(_items(images), batch_size, workers):
        if batch and byte_count + pixels.nbytes > _PENDING_BYTES:
            yield batch
            batch, byte_count = [], 0
        batch.append(pixels)
        byte_count += pixels.nbytes
        if len(batch) == batch_size:
            yield batch
            batch, byte_count = [], 0
    if batch:
        yield batch


def _items(images: Images) -> Iterable[Image]:
    """The single images."""
    if isinstance(images, (str, os.PathLike, bytes, PIL.Image.Image)):
        return [images]
    if hasattr(images, "__array__"):
        with allocating("the images"):
            array = np.asarray(images)
        if array.dtype.kind in "OU":
            return cast(list[Image], array.tolist())  # a column of a table, such as of paths
        return array if array.ndim == 4 else [array]
    if isinstance(images, Iterable):
        return images
    raise TypeError(
        f"images must be paths, images of Pillow, arrays of uint8, or an iterable of these, not {type(images).__name__}"
    )


def _decoded(items: Iterable[Image], batch_size: int, workers: int) -> Iterator[Pixels]:
    """The pixels of images. Files are decoded by threads of their own, ahead of whoever reads the pixels."""
    pending: deque[Pixels | Future[Pixels]] = deque()
    executor: ThreadPoolExecutor | None = None
    limit = workers
    try:
        for item in items:
            if isinstance(item, (str, os.PathLike, bytes)):
                if executor is None:
                    executor = ThreadPoolExecutor(workers, thread_name_prefix="quern-decode")
                pending.append(executor.submit(decode, item))
            else:
                pending.append(_pixels_of_object(item))
            if len(pending) > limit:
                pixels = _result(pending.popleft())
                # Small images are decoded a whole batch ahead; of large ones, as many as the memory allows.
                limit = max(workers, min(batch_size, _PENDING_BYTES // max(pixels.nbytes, 1)))
                yield pixels
        while pending:
            yield _result(pending.popleft())
    finally:
        if executor is not None:
            executor.shutdown(cancel_futures=True)


def _result(pixels: Pixels | Future[Pixels]) -> Pixels:
    return pixels.result() if isinstance(pixels, Future) else pixels


def _pixels_of_object(image: object) -> Pixels:
    with allocating("the pixels of an image"):
        if isinstance(image, PIL.Image.Image):
            return pixels_of_image(image, "the image")
        if hasattr(image, "__array__"):
            return _pixels_of_array(np.asarray(image))
    raise TypeError(
        f"an image must be a path, the bytes of a file, an image of Pillow or an array, not {type(image).__name__}"
    )


def _pixels_of_array(array: npt.NDArray[Any]) -> Pixels:
    if array.dtype != np.uint8:
        raise ImageError(f"pixels must be of type uint8, from 0 to 255, not {printable(array.dtype)}")
    if array.ndim != 3 or array.shape[2] != 3:
        advice = "; move its channels last" if array.ndim == 3 and array.shape[0] == 3 else ""
        raise ImageError(
            f"an image must be an array [height, width, 3] of RGB pixels, not one of the shape {array.shape}{advice}"
        )
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise ImageError(f"the array of the shape {array.shape} has no pixels")
    # Rows may be apart, as in a crop of an array, but their pixels are packed.
    if array.strides[1:] != (3, 1) or array.strides[0] < 3 * array.shape[1]:
        return np.ascontiguousarray(array)
    return array


def decode(file: str | os.PathLike[str] | bytes, *, exif_orientation: bool = False) -> Pixels:
    """Decodes a JPEG, PNG or WebP file to the pixels that the tool decodes it to.

    Args:
        file: The path of the file, or its bytes.
        exif_orientation: Whether the image is turned upright as its EXIF data say.

    Returns:
        Pixels [height, width, 3].

    Raises:
        InvalidArgumentError: The path can be that of no file.
        NotFoundError: There is no such file, or it may not be read.
        InputOutputError: The path leads to a folder, or reading fails.
        ImageError: The file is not a JPEG, PNG or WebP image, or damaged, or larger than Pillow accepts.
        OutOfMemoryError: There is not enough memory for the pixels.
    """
    name = "the image" if isinstance(file, bytes) else printable(os.fspath(file))
    if not isinstance(file, bytes):
        encoded(file, "the path of an image")
    try:
        source = io.BytesIO(file) if isinstance(file, bytes) else file
        with PIL.Image.open(source, formats=("JPEG", "PNG", "WEBP")) as image:
            if image.format == "WEBP" and getattr(image, "is_animated", False):
                raise ImageError(f"{name}: animated WebP images are not supported")
            return pixels_of_image(PIL.ImageOps.exif_transpose(image) if exif_orientation else image, name)
    except ImageError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: not a JPEG, PNG or WebP image; open images of other formats with Pillow, and pass the result"
        ) from error
    except MemoryError as error:
        raise OutOfMemoryError(f"{name}: not enough memory for the pixels of the image") from error
    except OSError as error:
        # Pillow raises OSError for damaged data, too, but then without an error number.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM):
            raise NotFoundError(f"{name}: cannot open the file: {error.strerror}") from error
        if error.errno is not None:
            raise InputOutputError(f"{name}: cannot read the file: {error.strerror}") from error
        raise ImageError(f"{name}: the image cannot be decoded: {printable(error)}") from error
    # A damaged PNG makes Pillow raise SyntaxError, and other damage one of several types, which it does not document.
    except Exception as error:
        raise ImageError(f"{name}: the image cannot be decoded: {printable(error)}") from error


def pixels_of_image(image: PIL.Image.Image, name: str) -> Pixels:
    """The pixels of an image of Pillow, by the rules of the tool.

    Alpha is dropped, not composited; profiles, gamma and orientation are ignored; 16-bit greyscale keeps its high byte,
    where Pillow's own conversion clips.

    Args:
        image: The image.
        name: The name of the image in messages.

    Raises:
        ImageError: The mode of the image has no defined range of values.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if image.mode not in _RGB_MODES:
        raise ImageError(f"{name}: pixels of the mode {image.mode} have no defined range; convert the image to RGB")
    if image.mode == "P" and "transparency" in image.info:
        # Without the detour, Pillow warns that transparency is lost.
        return np.ascontiguousarray(np.asarray(image.convert("RGBA"))[:, :, :3])
    return np.asarray(image.convert("RGB"))
