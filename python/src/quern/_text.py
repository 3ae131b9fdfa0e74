"""Text for messages, and texts that the system takes as bytes."""

from __future__ import annotations

import os
import unicodedata

from quern._errors import InvalidArgumentError

# Controls, formatting, halves of surrogate pairs, private and unassigned characters, and separators of lines and
# paragraphs, as in the tool.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(value: object) -> str:
    r"""A text on one line, with everything that is not printable as `\u{…}`, as in messages of the tool."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(f"\\u{{{ord(c):X}}}" if unicodedata.category(c) in _UNPRINTABLE else c for c in text)


def encoded(text: str | os.PathLike[str], what: str) -> bytes:
    """The bytes that the system takes for a path or an argument.

    Args:
        text: The path or argument. Characters that stand for bytes which are not UTF-8, as in names that `os.listdir`
            returns, become these bytes.
        what: What it is, for messages.

    Raises:
        InvalidArgumentError: It has a zero byte, or half of a surrogate pair that stands for no byte.
    """
    try:
        data = os.fsencode(text)
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"{printable(os.fspath(text))}: {what} must not contain half of a surrogate pair"
        ) from error
    if b"\0" in data:
        raise InvalidArgumentError(f"{printable(os.fspath(text))}: {what} must not contain a zero byte")
    return data
