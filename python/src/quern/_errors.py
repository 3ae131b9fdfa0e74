"""The exceptions of this package: one class for each kind of error, whichever part of Quern met it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quern._report import Report
    from quern._results import SelfTest


class Error(Exception):
    """The base of all exceptions of this package.

    Attributes:
        exit_code: The exit status of the tool, if the tool met the error; otherwise `None`.
    """

    exit_code: int | None = None


class InvalidArgumentError(Error, ValueError):
    """An argument or an option that is out of range, or does not apply, or a path that no file can have."""


class NotFoundError(Error, FileNotFoundError):
    """A file or a folder that does not exist, may not be read, or has no images."""


class InputOutputError(Error, OSError):
    """A file that cannot be opened, read, mapped or written."""


class CannotCreateError(Error, OSError):
    """An output that cannot be created."""


class BadDataError(Error, ValueError):
    """A package, a checkpoint or another file that is damaged, malformed, or of another kind than expected."""


class ImageError(BadDataError):
    """An image that cannot be decoded, or that is not an image of 8-bit RGB pixels."""


class ImageSizeError(Error, ValueError):
    """An image of a size that the network cannot take."""


class UnsupportedError(Error):
    """A package that needs a newer version of Quern."""


class NotAvailableError(Error):
    """Something that is not there.

    Examples are logits of a network without a classifier, a tier that this processor does not have, or the tool in
    an installation without it.
    """


class NoSelfTestError(NotAvailableError):
    """A package without a self-test, which an early version of Quern or another program wrote."""


class OutOfMemoryError(Error, MemoryError):
    """Memory for weights, activations or pixels that cannot be allocated."""


@contextmanager
def allocating(what: str) -> Iterator[None]:
    """Makes a lack of memory an exception of this package.

    Args:
        what: What the memory is for.

    Raises:
        OutOfMemoryError: The block raises `MemoryError`.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"not enough memory for {what}") from error


class InternalError(Error):
    """A defect of Quern."""


class GateFailed(Error):
    """A report that is not accepted, raised only where `check=True` requests it.

    Attributes:
        report: The report, complete as without `check=True`. A package that was converted is written.
    """

    def __init__(self, report: Report) -> None:
        """Describes the gates that did not pass.

        Args:
            report: The report that is not accepted.
        """
        super().__init__(report.summary)
        self.report = report
        self.exit_code = 1


class SelfTestFailed(Error):
    """A machine that does not compute what a package states, raised only where `check=True` requests it.

    Attributes:
        result: What the test found.
    """

    def __init__(self, result: SelfTest) -> None:
        """Describes the tiers and layers that differ.

        Args:
            result: What the test found.
        """
        super().__init__(result.summary)
        self.result = result


class QuernWarning(UserWarning):
    """A warning of the tool, about something that puts a result in doubt."""
