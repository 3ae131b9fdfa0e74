"""What the tool writes to standard error."""

from __future__ import annotations

import json
import logging
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
        unit: What is counted, in the plural, such as `images`.
        seconds_left: How long the rest of the stage takes, in seconds; `None` while that cannot be told.
    """

    stage: str
    done: int | None
    total: int | None
    unit: str = "images"
    seconds_left: float | None = None


class Messages:
    """Reads what the tool writes to standard error: progress, warnings, notes, and at last an error.

    Attributes:
        warnings: The warnings.
        lines: All other lines.
    """

    _WARNING, _ERROR = "quern: warning: ", "quern: error: "
    _PROGRESS_SCHEMA = "quern.progress/1"

    def __init__(self, progress: Callable[[Progress], object] | None) -> None:
        """Begins with no text.

        Args:
            progress: Receives progress.
        """
        self.warnings: list[str] = []
        self.lines: list[str] = []
        self._progress = progress
        self._rest = ""

    def read(self, text: str) -> None:
        """Reads a piece of the text, which may end anywhere."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._line(line)

    def end(self) -> None:
        """Reads a last line that does not end."""
        if self._rest:
            self._line(self._rest)
        self._rest = ""

    def _line(self, line: str) -> None:
        progress = self._parsed(line)
        if progress is None:
            self._message(line)
        elif self._progress:
            self._progress(progress)

    @classmethod
    def _parsed(cls, line: str) -> Progress | None:
        """The progress that a line of `--progress json` states; `None` for other lines."""
        if not line.startswith("{"):
            return None
        try:
            fields = json.loads(line)
        except ValueError:
            return None
        if fields.get("schema") != cls._PROGRESS_SCHEMA:
            return None
        return Progress(
            fields["stage"], fields.get("done"), fields.get("total"), fields["unit"], fields.get("remaining_seconds")
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
