"""Runs the bundled tool, and reads its output, its messages and its exit status."""

from __future__ import annotations

import codecs
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, TypeAlias

from quern import _binary, _errors
from quern._messages import Messages, Progress
from quern._text import encoded

# The exit statuses of sysexits(3) that the tool uses. 0 and 1 are those of a finished command.
_ERRORS: dict[int, type[_errors.Error]] = {
    64: _errors.InvalidArgumentError,
    65: _errors.BadDataError,
    66: _errors.NotFoundError,
    69: _errors.NotAvailableError,
    70: _errors.InternalError,
    71: _errors.OutOfMemoryError,
    73: _errors.CannotCreateError,
    74: _errors.InputOutputError,
}

# How long an interrupted tool may take to remove its temporary files.
_SECONDS_TO_END = 10.0


ProgressOption: TypeAlias = Callable[[Progress], object] | bool | None
"""A function that receives progress, `True` for a line on stderr, and `False` or `None` for nothing."""


def run(command: str, arguments: Sequence[str], progress: ProgressOption = None) -> tuple[int, dict[str, Any]]:
    """Runs a command with `--json`.

    Warnings of the tool become warnings of the class `QuernWarning`, and its notes messages of the logger `quern`. An
    exception here, such as `KeyboardInterrupt` or one that `progress` raises, ends the tool.

    Args:
        command: The name of the command.
        arguments: Its arguments.
        progress: Receives progress.

    Returns:
        The exit status, 0 or 1, and the object that the tool printed.

    Raises:
        Error: The exception of the exit status, with the tool's message.
        InvalidArgumentError: An argument can be none of a program.
        NotAvailableError: The tool is not there, or cannot be run.
    """
    options = [encoded(argument, "a path or an option") for argument in arguments]
    file = _binary.path()
    report = _printed if progress is True else progress or None
    messages = Messages(report)
    try:
        process = subprocess.Popen(
            [file, command, "--json", "--progress", "json" if report else "none", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise _binary.missing(file, error) from error
    with process:
        try:
            output = _communicate(process, messages)
        except BaseException:
            _end(process)
            raise
    for warning in messages.warnings:
        # The frames of this function, of that which reads the report, and of the public function.
        warnings.warn(warning, _errors.QuernWarning, stacklevel=4)
    return _result(command, process.returncode, output, messages)


def _communicate(process: subprocess.Popen[bytes], messages: Messages) -> bytes:
    """Reads both outputs until the tool ends. Messages are read on this thread, so that progress is reported on it."""
    output: list[bytes] = []

    def read() -> None:
        if process.stdout is not None:
            output.append(process.stdout.read())

    reader = threading.Thread(target=read, name="quern-output", daemon=True)
    reader.start()
    for text in _pieces(process.stderr):
        messages.read(text)
    messages.end()
    reader.join()
    process.wait()
    return b"".join(output)


def _pieces(file: IO[bytes] | None) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    if file is None:
        return
    while True:
        data = os.read(file.fileno(), 1 << 16)
        if not data:
            return
        yield decoder.decode(data)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminates the tool, which then removes its temporary files, and kills it if it does not end.

    An interruption would not do: processes that a shell started in the background ignore it, and so do their children.
    """
    process.terminate()
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()


def _printed(progress: Progress) -> None:
    """Redraws a line on stderr."""
    count = "" if progress.total is None else f"  {progress.done}/{progress.total} {progress.unit}"
    ends = "\n" if progress.total is not None and progress.done == progress.total else ""
    sys.stderr.write(f"\r{progress.stage}{count}{ends}")
    sys.stderr.flush()


def _result(command: str, status: int, output: bytes, messages: Messages) -> tuple[int, dict[str, Any]]:
    if status in (0, 1):
        try:
            result = json.loads(output)
        except ValueError:
            result = None
        if isinstance(result, dict) and result.get("schema") != "quern.error/1":
            return status, result
    if status < 0:
        message = f"quern {command} was ended by the signal {signal.Signals(-status).name}"
    else:
        message = messages.error or f"quern {command} ended with the status {status}"
    error = _ERRORS.get(status, _errors.InternalError)(message)
    error.exit_code = status
    raise error
