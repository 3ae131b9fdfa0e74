"""Where the tool is."""

from __future__ import annotations

import os
from pathlib import Path

from quern._errors import NotAvailableError
from quern._text import printable


def path() -> Path:
    """The file of the tool: that of the environment variable `QUERN_TOOL`, or the one inside the package."""
    override = os.environ.get("QUERN_TOOL")
    return Path(override) if override else Path(__file__).parent / "_native" / "quern"


def missing(file: Path, error: OSError) -> NotAvailableError:
    """The exception for a tool that cannot be run."""
    return NotAvailableError(f"cannot run the tool {printable(file)}: {error.strerror}")
