"""Arguments for the tool from keyword arguments, which are checked against its own description of its options."""

from __future__ import annotations

import difflib
import functools
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quern import _binary
from quern._errors import InternalError
from quern._text import printable


@dataclass(frozen=True, slots=True)
class Option:
    """An option or a flag of a command.

    Attributes:
        name: The long name, with its hyphens.
        is_flag: Whether it takes no value.
        is_repeatable: Whether it may be given several times.
        is_list: Whether its value is a list of numbers with commas between them.
    """

    name: str
    is_flag: bool
    is_repeatable: bool
    is_list: bool


# Options that this package sets itself.
_RESERVED = frozenset({"json", "progress", "quiet", "version", "help", "output"})


def arguments_of(command: str, options: Mapping[str, Any], taken: Iterable[str] = ()) -> list[str]:
    """Arguments for the tool from keyword arguments, which have the names of options with underscores.

    Values may be strings, numbers, paths, and sequences of these for options that can be repeated. A flag is given by
    `True`; `False` gives its negation where the tool has one. Options that are `None` are left out.

    Args:
        command: The name of the command.
        options: The keyword arguments.
        taken: Names of options that are parameters of the calling function.

    Raises:
        TypeError: There is no such option, or it does not take such a value.
    """
    known = {
        name: option for name, option in options_of(command).items() if name not in _RESERVED and name not in set(taken)
    }
    result = []
    for keyword, value in options.items():
        option = known.get(keyword)
        if option is None:
            raise TypeError(_unknown(command, keyword, known))
        if value is not None:
            result += _argument(keyword, option, value, known)
    return result


def _argument(keyword: str, option: Option, value: Any, known: Mapping[str, Option]) -> list[str]:
    if option.is_flag:
        if not isinstance(value, bool):
            raise TypeError(f"{keyword} is True or False, not {value!r}")
        if value:
            return [f"--{option.name}"]
        # Without a negation, leaving a flag out is what False means.
        return [f"--no-{option.name}"] if f"no_{keyword}" in known else []
    if isinstance(value, bool):
        raise TypeError(f"{keyword} takes a value, not {value}")
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if option.is_list:
            return [f"--{option.name}=" + ",".join(map(_text, value))]
        if not option.is_repeatable:
            raise TypeError(f"{keyword} takes one value, not {value!r}")
        return [f"--{option.name}={_text(item)}" for item in value]
    return [f"--{option.name}={_text(value)}"]


def _text(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"the value of an option is a string, a number or a path, not {value!r}")
    # `item` makes Python's numbers of NumPy's, whose repr names their type.
    return repr(value.item() if hasattr(value, "item") else value)


def _unknown(command: str, keyword: str, known: Mapping[str, Option]) -> str:
    if keyword in _RESERVED:
        return f"{command}() sets {keyword} itself"
    near = difflib.get_close_matches(keyword, known, n=1)
    return f"{command}() has no option {keyword!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def options_of(command: str) -> dict[str, Option]:
    """The options of a command, by their names with underscores."""
    file = _binary.path()
    # The time of the file, so that a tool that was replaced is read again.
    return _described(command, file, _modified(file))


def _modified(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError as error:
        raise _binary.missing(file, error) from error


@functools.lru_cache(maxsize=64)
def _described(command: str, file: Path, modified: int) -> dict[str, Option]:
    try:
        dump = subprocess.run([file, "--experimental-dump-help"], capture_output=True, check=True)
        commands = json.loads(dump.stdout)["command"]["subcommands"]
    except OSError as error:
        raise _binary.missing(file, error) from error
    except (subprocess.CalledProcessError, ValueError, KeyError) as error:
        raise InternalError(f"{printable(file)} does not describe its options") from error
    found = next((entry for entry in commands if entry["commandName"] == command), None)
    if found is None:
        raise InternalError(f"{printable(file)} has no command {command}")
    options = {}
    for argument in found["arguments"]:
        if argument["kind"] == "positional":
            continue
        name = argument["preferredName"]["name"]
        options[name.replace("-", "_")] = Option(
            name=name,
            is_flag=argument["kind"] == "flag",
            is_repeatable=argument["isRepeating"],
            is_list="," in argument["valueName"],
        )
    return options
