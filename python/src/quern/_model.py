"""Models: open packages that embed and classify images."""

from __future__ import annotations

import ctypes
import operator
import os
from types import TracebackType
from typing import Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from quern import _images, _library, _selftest
from quern._errors import InvalidArgumentError, NotAvailableError, SelfTestFailed, allocating
from quern._images import Images, Pixels
from quern._package import Package, count
from quern._results import Outputs, Prediction, SelfTest
from quern._sessions import Handle, SessionPool, Source

Tier: TypeAlias = Literal["auto", "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512vbmi", "neon", "neondot"]
"""Instructions that kernels use. All tiers give the same bits."""

# More threads than these decode faster than the network runs.
_MAX_DECODING_THREADS = 8


def open(
    source: Source,
    *,
    size: int | None = None,
    tier: Tier = "auto",
    threads: int | None = None,
    pooling_exponent: float | None = None,
) -> Model:
    """Opens a package.

    Opening checks every weight by its hash and takes tens of milliseconds for a network of 25 million weights.

    Args:
        source: The path of a `.quern` file, or its bytes in memory (`bytes`, `bytearray`, `memoryview`, `mmap`, or an
            array of uint8), which are borrowed: they must not change until the model is closed.
        size: The image size in pixels; by default the first that the package was converted for. A size that it was
            not converted for is allowed, but has no measured fidelity.
        tier: The instructions that kernels use; by default the fastest of this processor.
        threads: The number of threads that a call runs on; by default one for each processor that the process may use.
            Where several Python threads embed at the same time, 1 is best.
        pooling_exponent: The exponent of GeM pooling, `math.inf` for maximum pooling; by default that of the size.

    Returns:
        The model, which is also a context manager.

    Raises:
        NotFoundError: There is no such file.
        InputOutputError: The file cannot be read.
        BadDataError: The file is not a package, or damaged.
        UnsupportedError: The package needs a newer version.
        ImageSizeError: The network cannot take images of this size.
        NotAvailableError: This processor does not have the tier, or the network does not pool by an exponent.
        InvalidArgumentError: A number is out of range.
    """
    handle = Handle(source, _tier(tier), count(threads, "threads"))
    return Model(handle, size, threads, pooling_exponent)


def _tier(name: Tier) -> int:
    if name not in _library.TIERS:
        raise InvalidArgumentError(f"there is no tier {name!r}; the tiers are {', '.join(_library.TIERS)}")
    return _library.TIERS[name]


def tiers() -> tuple[str, ...]:
    """The tiers that this processor has, from the plainest on."""
    library = _library.load()
    return tuple(name for name, tier in _library.TIERS.items() if tier and library.quern_tier_available(tier))


class Model(Package):
    """An open package, made by `quern.open`.

    Any number of threads may use a model at the same time; calls into the library release the global interpreter lock.
    A process that was forked can go on using the models of its parent.
    """

    def __init__(self, handle: Handle, size: int | None, threads: int | None, pooling_exponent: float | None) -> None:
        """Prepares an open package for a size; `quern.open` calls it."""
        super().__init__(handle, size, threads, pooling_exponent)
        self._pool = SessionPool(handle, self._options(size))

    def resized(self, size: int, *, pooling_exponent: float | None = None) -> Model:
        """The same network for images of another size. The weights are shared; each of the two is closed separately.

        Args:
            size: The image size in pixels.
            pooling_exponent: The exponent of GeM pooling; by default that of the size.

        Raises:
            ImageSizeError: The network cannot take images of this size.
            NotAvailableError: The network does not pool by an exponent.
        """
        return Model(self._handle, size, self._threads, pooling_exponent)

    # Running

    def embed(self, images: Images, *, batch_size: int = 32) -> npt.NDArray[np.float32]:
        """Computes the embeddings of images.

        Args:
            images: One image or several: paths of JPEG, PNG and WebP files, the `bytes` of such files, images of
                Pillow, or arrays of uint8 [height, width, 3] or [n, height, width, 3]. Iterables may be generators,
                which are read as they are needed. Sizes may differ: images are resized and cropped as the package says.
            batch_size: The maximum number of images that are given to the network at once. It changes speed and
                memory, but no result.

        Returns:
            L2-normalised embeddings [n, dimension]; n is 1 for a single image. They are the bits that `quern embed`
            writes.

        Raises:
            ImageError: An image cannot be decoded, or is not of type uint8 or not RGB.
            NotFoundError: There is no such file.
            ImageSizeError: The network cannot take an image.
            OutOfMemoryError: There is not enough memory for activations.
        """
        return self._run(images, batch_size, embeddings=True)[0]

    def logits(self, images: Images, *, batch_size: int = 32) -> npt.NDArray[np.float32]:
        """Computes the logits of images.

        Args:
            images: As for `embed`.
            batch_size: As for `embed`.

        Returns:
            Logits [n, classes].

        Raises:
            NotAvailableError: The network has no classifier.
            Error: As for `embed`.
        """
        return self._run(images, batch_size, logits=True)[1]

    def outputs(self, images: Images, *, batch_size: int = 32) -> Outputs:
        """Computes embeddings and logits at once, which takes no longer than either.

        Args:
            images: As for `embed`.
            batch_size: As for `embed`.

        Raises:
            Error: As for `embed`.
        """
        embeddings, logits = self._run(images, batch_size, embeddings=True, logits=self.classes > 0)
        return Outputs(embeddings, logits if self.classes > 0 else None)

    def classify(self, images: Images, top: int = 5, *, batch_size: int = 32) -> list[list[Prediction]]:
        """Finds the most probable classes of images.

        Args:
            images: As for `embed`.
            top: The maximum number of classes for each image.
            batch_size: As for `embed`.

        Returns:
            For each image, its classes with the most probable first. Of equal logits, the lower index comes first.

        Raises:
            NotAvailableError: The network has no classifier.
            Error: As for `embed`.
        """
        if operator.index(top) < 1:
            raise InvalidArgumentError(f"top must be at least 1, not {top}")
        labels = self.labels
        return [_predictions(row, labels, top) for row in self.logits(images, batch_size=batch_size)]

    def _run(
        self, images: Images, batch_size: int, *, embeddings: bool = False, logits: bool = False
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        if operator.index(batch_size) < 1:
            raise InvalidArgumentError(f"batch_size must be at least 1, not {batch_size}")
        if logits and self.classes == 0:
            raise NotAvailableError("the network has no classifier, and therefore no logits; use embed()")
        widths = (self.dimension if embeddings else 0, self.classes if logits else 0)
        results: tuple[list[npt.NDArray[np.float32]], ...] = ([], [])
        workers = min(self._threads or len(os.sched_getaffinity(0)), _MAX_DECODING_THREADS)
        with self._pool.session() as session:
            for batch in _images.batches(images, batch_size, workers):
                with allocating("the results"):
                    rows = tuple(np.empty((len(batch), width), np.float32) for width in widths)
                _embed(session.pointer, batch, *rows)
                for result, values in zip(results, rows, strict=True):
                    result.append(values)
        with allocating("the results"):
            found = [
                np.concatenate(result) if result else np.empty((0, width), np.float32)
                for result, width in zip(results, widths, strict=True)
            ]
        return found[0], found[1]

    # Testing the machine

    def selftest(
        self, *, tier: Tier = "auto", scalar: bool = False, threads: int | None = None, check: bool = False
    ) -> SelfTest:
        """Tests whether this machine computes what the package states for a few synthetic images.

        A machine that does not has a kernel that was compiled wrongly, a faulty core or memory, or an emulator that is
        wrong. The weights are read anew for each tier; the images take a fraction of a second.

        Args:
            tier: A tier to test alone; by default every tier that this processor has, except `scalar`.
            scalar: Whether to test the scalar kernels, too, which are slow.
            threads: The number of threads that run the whole test at the same time; by default one for each processor
                that the process may use, so that all cores are tested.
            check: Whether to raise `SelfTestFailed` if anything differs.

        Raises:
            SelfTestFailed: Something differs, and `check` is true.
            NoSelfTestError: The package has no self-test.
            NotAvailableError: This processor does not have the tier.
            BadDataError: The package is damaged.
            OutOfMemoryError: There is not enough memory.
        """
        result = _selftest.run(self._handle, tier=_tier(tier), threads=count(threads, "threads"), scalar=scalar)
        if check and not result.passed:
            raise SelfTestFailed(result)
        return result

    # Lifetime

    def close(self) -> None:
        """Frees the model, or leaves that to calls that are running. Closing twice is allowed."""
        self._open_handle = None
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._open_handle is None:
            return "<quern.Model, closed>"
        classes = f", {self.classes} classes" if self.classes else ""
        return f"<quern.Model {self.architecture}, {self.size} pixels, dimension {self.dimension}{classes}>"


def _embed(
    session: ctypes.c_void_p,
    batch: list[Pixels],
    embeddings: npt.NDArray[np.float32],
    logits: npt.NDArray[np.float32],
) -> None:
    """Runs a batch, which stays referenced meanwhile; results are left out where an array has no columns."""
    images = (_library.Image * len(batch))(
        *[
            _library.Image(
                pixels=pixels.__array_interface__["data"][0],
                height=pixels.shape[0],
                width=pixels.shape[1],
                row_stride=pixels.strides[0],
            )
            for pixels in batch
        ]
    )
    pointers = (
        value
        for array in (embeddings, logits)
        for value in ((array.ctypes.data, array.size) if array.size else (None, 0))
    )
    _library.check(_library.load().quern_embed(session, images, len(batch), *pointers))


def _predictions(logits: npt.NDArray[np.float32], labels: tuple[str, ...] | None, top: int) -> list[Prediction]:
    values = logits.astype(np.float64)
    powers = np.exp(values - values.max())
    probabilities = powers / powers.sum()
    order = np.argsort(-values, kind="stable")[:top]
    return [Prediction(int(index), labels[index] if labels else None, float(probabilities[index])) for index in order]
