"""Commands of the tool as functions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, Unpack

import numpy as np
import numpy.typing as npt

from quern import _errors, _tool
from quern._arguments import arguments_of
from quern._options import CompareOptions, ConvertOptions, VerifyOptions
from quern._report import Report, report
from quern._text import printable
from quern._tool import ProgressOption

StrPath: TypeAlias = str | os.PathLike[str]


def convert(
    checkpoint: StrPath,
    *,
    output: StrPath,
    calibration: StrPath | None = None,
    progress: ProgressOption = None,
    check: bool = False,
    **options: Unpack[ConvertOptions],
) -> Report:
    """Converts a checkpoint to an int8 package and verifies it, as `quern convert` does.

    Args:
        checkpoint: The checkpoint: PyTorch, MindSpore, ONNX or safetensors. No code in it is run.
        output: The package to write, whose name ends in `.quern`.
        calibration: A folder of images to calibrate on. Only a model that is quantised already needs none.
        progress: A function that receives `Progress`, or `True` for a line on stderr.
        check: Whether to raise `GateFailed` if the report is not accepted.
        **options: The options of the command, with underscores: `size=[224, "500:4"]`, `effort="thorough"`,
            `max_mean_drift=0.005`, `strict=True`. `quern convert --help` describes them.

    Returns:
        The report. If a gate failed, the package is written, too, unless the golden check failed.

    Raises:
        TypeError: There is no such option, or it does not take such a value.
        GateFailed: The report is not accepted, and `check` is true.
        InvalidArgumentError: Options contradict one another, or a value is out of range.
        NotFoundError: An input is not there.
        BadDataError: An input is damaged, or a network is not supported.
        CannotCreateError: An output cannot be created.
        InputOutputError: Reading or writing fails.
        InternalError: A defect of Quern.
        NotAvailableError: The tool is missing.
    """
    arguments = arguments_of("convert", options, taken=("calibration",))
    arguments.append(f"--output={os.fspath(output)}")
    if calibration is not None:
        arguments.append(f"--calibration={os.fspath(calibration)}")
    return _report("convert", [*arguments, "--", os.fspath(checkpoint)], progress, check)


def verify(
    package: StrPath,
    *,
    reference: StrPath,
    images: StrPath,
    progress: ProgressOption = None,
    check: bool = False,
    **options: Unpack[VerifyOptions],
) -> Report:
    """Compares a package with its source checkpoint on images, as `quern verify` does.

    Args:
        package: The package; any other model is accepted, too.
        reference: The checkpoint to compare with; any other model is accepted, too.
        images: A folder of images, whose subfolders are classes.
        progress: A function that receives `Progress`, or `True` for a line on stderr.
        check: Whether to raise `GateFailed` if the report is not accepted.
        **options: The options of the command, with underscores. `quern verify --help` describes them.

    Returns:
        The report.

    Raises:
        TypeError: There is no such option, or it does not take such a value.
        GateFailed: The report is not accepted, and `check` is true.
        Error: As for `convert`.
    """
    arguments = arguments_of("verify", options, taken=("reference", "images"))
    arguments += [f"--reference={os.fspath(reference)}", f"--images={os.fspath(images)}"]
    return _report("verify", [*arguments, "--", os.fspath(package)], progress, check)


def compare(
    outputs: StrPath | npt.NDArray[Any],
    reference: StrPath | npt.NDArray[Any],
    *,
    check: bool = False,
    **options: Unpack[CompareOptions],
) -> Report:
    """Compares stored embeddings and logits with a reference, as `quern compare` does.

    Args:
        outputs: A file of outputs (`.safetensors`, `.npy`, `.fbin`, `.fvecs`), or an array of embeddings [n, D], whose
            rows are in the order of the reference's.
        reference: The outputs to compare with, in either form.
        check: Whether to raise `GateFailed` if the report is not accepted.
        **options: The options of the command, with underscores. `quern compare --help` describes them.

    Returns:
        The report.

    Raises:
        TypeError: There is no such option, or it does not take such a value.
        GateFailed: The report is not accepted, and `check` is true.
        Error: As for `convert`.
    """
    arguments = arguments_of("compare", options)
    with tempfile.TemporaryDirectory(prefix="quern-") as folder:
        paths = [_file(outputs, Path(folder, "outputs.npy")), _file(reference, Path(folder, "reference.npy"))]
        return _report("compare", [*arguments, "--", *paths], None, check)


def _file(outputs: StrPath | npt.NDArray[Any], path: Path) -> str:
    """The path of the outputs. An array is written to a file first."""
    if isinstance(outputs, (str, os.PathLike)):
        return os.fspath(outputs)
    with _errors.allocating("the embeddings"):
        array = np.asarray(outputs)
    if array.ndim != 2 or array.dtype.kind != "f":
        raise _errors.InvalidArgumentError(
            f"embeddings must be an array [n, D] of floating-point numbers, not {array.dtype} {list(array.shape)}"
        )
    with _errors.allocating("the embeddings"):
        np.save(path, np.ascontiguousarray(array), allow_pickle=False)
    return os.fspath(path)


def _report(command: str, arguments: Sequence[str], progress: ProgressOption, check: bool) -> Report:
    status, output = _tool.run(command, arguments, progress)
    try:
        result = report(output, accepted=status == 0)
    except (KeyError, TypeError, ValueError) as error:
        raise _errors.InternalError(
            f"quern {command} printed a report that cannot be read: {printable(error)}"
        ) from error
    if check and not result.accepted:
        raise _errors.GateFailed(result)
    return result
