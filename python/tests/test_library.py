"""The declarations in Python against the header."""

import ctypes
import re
import shutil
import subprocess

import pytest
from conftest import ROOT, run_tool

import quern
from quern import _library

HEADER = ROOT / "Sources/QuernC/include/quern.h"
TEXT = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)


def test_every_function_is_declared():
    declared = set(re.findall(r"QUERN_API\b[^;(]*?\b(quern_\w+)\(", TEXT))
    assert declared == set(_library.FUNCTIONS) | _library.UNUSED


@pytest.mark.parametrize("name", sorted(_library.FUNCTIONS))
def test_functions_have_their_parameters(name):
    parameters = re.search(rf"QUERN_API\b[^;(]*?\b{name}\(([^)]*)\)", TEXT)[1]
    count = 0 if parameters.strip() == "void" else parameters.count(",") + 1
    assert len(_library.FUNCTIONS[name][1]) == count


def test_one_version():
    parts = [re.search(rf"#define QUERN_VERSION_{part} (\d+)", TEXT)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    library = _library.load()
    assert library.quern_runtime_version_string().decode() == ".".join(parts) == quern.__version__
    assert library.quern_runtime_version() == int(parts[0]) * 10000 + int(parts[1]) * 100 + int(parts[2])
    assert run_tool("--version").strip() == quern.__version__


def test_status_codes():
    declared = {int(value): name for name, value in re.findall(r"QUERN_ERROR_(\w+) = (\d+)", TEXT)}
    assert declared == {value: name for value, (name, _) in _library.STATUSES.items()}


def test_tiers():
    declared = {int(value) for value in re.findall(r"QUERN_TIER_\w+ = (\d+)", TEXT)}
    assert declared == set(_library.TIERS.values())
    name = _library.load().quern_tier_name
    assert {value: name(value).decode() for value in declared} == {value: key for key, value in _library.TIERS.items()}
    assert "scalar" in quern.tiers()


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
def test_structs_have_the_layout_of_c(tmp_path):
    fields = [(name, field[0]) for name, struct in _library.STRUCTS.items() for field in struct._fields_]
    lines = [
        f'printf("%zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));' for name, field in fields
    ]
    lines += [f'printf("%zu\\n", sizeof({name}));' for name in _library.STRUCTS]
    source = tmp_path / "layout.c"
    source.write_text(
        "#include <stdio.h>\n#include <quern.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    )
    subprocess.run(["cc", "-I", HEADER.parent, source, "-o", tmp_path / "layout"], check=True)
    printed = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout.splitlines()
    places = [getattr(_library.STRUCTS[name], field) for name, field in fields]
    assert printed[: len(fields)] == [f"{place.offset} {place.size}" for place in places]
    assert printed[len(fields) :] == [str(ctypes.sizeof(struct)) for struct in _library.STRUCTS.values()]
    declared = set(re.findall(r"^\} (quern_\w+);", TEXT, flags=re.MULTILINE))
    enumerations = set(re.findall(r"typedef enum (quern_\w+)", TEXT))
    assert declared - enumerations == set(_library.STRUCTS)


def test_a_missing_library_is_reported(monkeypatch, tmp_path):
    _library.load.cache_clear()
    monkeypatch.setenv("QUERN_LIBRARY", str(tmp_path / "absent.so"))
    try:
        with pytest.raises(quern.NotAvailableError, match=r"absent\.so"):
            quern.tiers()
    finally:
        _library.load.cache_clear()
