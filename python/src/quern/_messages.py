"""What the tool writes to standard error."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("quern")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a command is.

    Attributes:
        stage: What the command does, such as `calibrate`.
        done: The number of images or steps that are done; `None` in a stage that does not count them.
        total: Their number in this stage; `None` in a stage that does not count them.
    """

    stage: str
    done: int | None
    total: int | None


class Messages:
    """Reads what the tool writes to standard error: progress, warnings, notes, and at last an error.

    Attributes:
        warnings: The warnings.
        lines: All other lines.
    """

    _WARNING, _ERROR = "quern: warning: ", "quern: error: "
    # What ProgressLine.swift draws: "stage  3/10  25.1 images/s  0 s left", or "stage …".
    _PROGRESS = re.compile(r"(?P<stage>.+?)(?:  (?P<done>\d+)/(?P<total>\d+)(?:  .*)?| …)")
    _ERASE = "\r\x1b[K"

    def __init__(self, progress: Callable[[Progress], object] | None) -> None:
        """Begins with no text.

        Args:
            progress: Receives progress.
        """
        self.warnings: list[str] = []
        self.lines: list[str] = []
        self._progress = progress
        self._rest = ""
        self._drawn = ""

    def read(self, text: str) -> None:
        """Reads a piece of the text, which may end anywhere."""
        *lines, rest = (self._rest + text).split("\n")
        for line in lines:
            *drawn, message = line.split(self._ERASE)
            self._draw(drawn)
            if message:
                self._message(message)
        # What was drawn last stays until it is erased, but is shown as soon as it is there.
        *drawn, last = rest.split(self._ERASE)
        if drawn:
            self._draw([*drawn, last])
            rest = self._ERASE + last
        self._rest = rest

    def end(self) -> None:
        """Reads a last line that does not end."""
        if self._rest and self._ERASE not in self._rest:
            self._message(self._rest)
        self._rest = ""

    def _draw(self, texts: list[str]) -> None:
        for text in texts:
            match = self._PROGRESS.fullmatch(text)
            if match and self._progress and text != self._drawn:
                self._drawn = text
                done, total = match["done"], match["total"]
                self._progress(
                    Progress(match["stage"], None if done is None else int(done), None if total is None else int(total))
                )

    def _message(self, line: str) -> None:
        if line.startswith(self._WARNING):
            self.warnings.append(line.removeprefix(self._WARNING))
        else:
            self.lines.append(line)
            if not line.startswith(self._ERROR):
                logger.info("%s", line)

    @property
    def error(self) -> str:
        """The error and the lines that follow it; all lines where none is marked as an error."""
        for index, line in enumerate(self.lines):
            for mark in (self._ERROR, "Error: "):
                if line.startswith(mark):
                    return "\n".join([line.removeprefix(mark), *self.lines[index + 1 :]])
        return "\n".join(self.lines)
