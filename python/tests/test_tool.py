"""Commands of the bundled tool: options, reports, messages, progress, errors and interruption."""

import inspect
import json
import logging
import signal
import subprocess
import sys
import threading
import time
import typing
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import CHECKPOINT, PHOTOGRAPHS, run_tool

import quern
from quern import _arguments, _binary, _options
from quern._messages import Messages

FAST = {"size": 64, "crop": "rect", "effort": "fast"}


# Options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_mean_drift": 0.01}, ["--max-mean-drift=0.01"]),
        ({"max_mean_drift": np.float64(0.25)}, ["--max-mean-drift=0.25"]),
        ({"threshold": -0.5}, ["--threshold=-0.5"]),
        ({"size": [224, "500:4"]}, ["--size=224", "--size=500:4"]),
        ({"size": 224}, ["--size=224"]),
        ({"mean": (0.5, 0.25, 1)}, ["--mean=0.5,0.25,1"]),
        ({"mean": "0.5,0.5,0.5"}, ["--mean=0.5,0.5,0.5"]),
        ({"strict": True}, ["--strict"]),
        ({"strict": False}, []),
        ({"stop_when_decided": False}, ["--no-stop-when-decided"]),
        ({"equalization": True}, ["--equalization"]),
        ({"plan": None}, []),
        ({"plan": PHOTOGRAPHS}, [f"--plan={PHOTOGRAPHS}"]),
    ],
)
def test_options(options, expected):
    assert _arguments.arguments_of("convert", options) == expected


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"checkpoint": "a\0.pth"}, r"a\u{0}.pth: "),
        ({"checkpoint": "a\ud800.pth"}, r"a\u{D800}.pth: "),
        ({"output": "a\0.quern"}, r"--output=a\u{0}.quern: "),
        ({"plan": "\0"}, r"--plan=\u{0}: "),
    ],
)
def test_arguments_of_no_program(arguments, shown):
    with pytest.raises(quern.InvalidArgumentError) as caught:
        quern.convert(**{"checkpoint": CHECKPOINT, "output": "a.quern", **arguments})
    assert str(caught.value).startswith(shown)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_men_drift": 0.01}, "did you mean 'max_mean_drift'"),
        ({"quite_another": 1}, "has no option 'quite_another'$"),
        ({"json": True}, "sets json itself"),
        ({"strict": 1}, "strict is True or False"),
        ({"max_mean_drift": True}, "takes a value"),
        ({"effort": ["fast", "balanced"]}, "takes one value"),
        ({"plan": object()}, "a string, a number or a path"),
    ],
)
def test_wrong_options_are_type_errors(options, message):
    with pytest.raises(TypeError, match=message):
        _arguments.arguments_of("convert", options)


def test_wrong_options_are_refused_by_the_functions(tmp_path):
    with pytest.raises(TypeError, match="did you mean 'max_drift'"):
        quern.convert(CHECKPOINT, calibration=PHOTOGRAPHS, output=tmp_path / "a.quern", max_drft=1)
    with pytest.raises(TypeError, match="did you mean 'labels'"):
        quern.compare("a.npy", "b.npy", label="c")


@pytest.mark.parametrize("command", ["convert", "verify", "compare"])
def test_the_types_of_options_are_those_of_the_tool(command):
    typed = typing.get_type_hints(getattr(_options, f"{command.capitalize()}Options"))
    parameters = set(inspect.signature(getattr(quern, command)).parameters)
    known = _arguments.options_of(command)
    negations = {name for name in known if name.startswith("no_") and name[3:] in known and known[name[3:]].is_flag}
    hidden = {"min_clear_agreement"}
    assert set(typed) == set(known) - negations - hidden - parameters - _arguments._RESERVED
    assert all((typed[name] is bool) == known[name].is_flag for name in typed)


# Reports


@pytest.fixture(scope="module")
def validation(tmp_path_factory, photographs):
    """A folder of every other photograph; the rest is next to it, in `calibration`."""
    folder = tmp_path_factory.mktemp("images")
    for index, path in enumerate(photographs):
        link = folder / ("calibration" if index % 2 else "validation") / path.name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
    return folder / "validation"


@pytest.fixture(scope="module")
def report(tmp_path_factory, validation):
    output = tmp_path_factory.mktemp("converted") / "demo.quern"
    calibration = validation.parent / "calibration"
    return quern.convert(CHECKPOINT, calibration=calibration, output=output, **FAST, stop_when_decided=False)


def test_convert_returns_the_report(report):
    raw = report.raw
    assert raw["schema"] == "quern.fidelity/1"
    assert (report.passed, report.accepted, report.verdict) == (True, True, raw["verdict"])
    assert report.drift.mean == raw["drift"]["mean"]
    assert [gate.name for gate in report.gates] == [gate["name"] for gate in raw["gates"]]
    assert report.gates[0].limit == 0.01
    assert report.top1_agreement == raw["agreement"]["top1"]
    assert report.images == raw["images"]
    with quern.open(raw["package"]["path"]) as model:
        assert model.sizes == (64,)


def test_verify_equals_the_command(report, validation):
    package = report.raw["package"]["path"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verified = quern.verify(package, reference=CHECKPOINT, images=validation)
    raw = json.loads(run_tool("verify", package, "--reference", CHECKPOINT, "--images", validation, "--json"))
    assert verified.raw["drift"] == raw["drift"]
    assert verified.raw["gates"] == raw["gates"]


def test_a_failing_gate(report, validation):
    package = report.raw["package"]["path"]
    arguments = {"reference": CHECKPOINT, "images": validation, "max_mean_drift": 1e-9}
    failed = quern.verify(package, **arguments)
    assert (failed.passed, failed.accepted, failed.verdict) == (False, False, "fail")
    with pytest.raises(quern.GateFailed, match=r"fail; mean_drift \S+ \(limit 1e-09\)") as caught:
        quern.verify(package, check=True, **arguments)
    assert caught.value.report.gates[0].passed is False
    assert caught.value.exit_code == 1


def test_a_configuration_file_applies(report, validation, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quern.toml").write_text("[gates]\nmax-mean-drift = 1e-9\n")
    arguments = {"reference": CHECKPOINT, "images": validation}
    package = report.raw["package"]["path"]
    assert quern.verify(package, **arguments).passed is False
    assert quern.verify(package, no_config=True, **arguments).passed is True
    assert quern.verify(package, max_mean_drift=0.01, **arguments).passed is True
    (tmp_path / "other.toml").write_text("strict = true\n")
    assert quern.verify(package, config=tmp_path / "other.toml", **arguments).accepted is False


def test_strict_reports_are_not_accepted(report, validation):
    package = report.raw["package"]["path"]
    few = quern.verify(package, reference=CHECKPOINT, images=validation, strict=True)
    assert few.verdict == "inconclusive"
    assert (few.passed, few.accepted) == (True, False)


def test_compare_takes_arrays(expected, tmp_path):
    embeddings = expected[0]
    rotated = embeddings + np.float32(0.01)
    with pytest.warns(quern.QuernWarning, match="same file"):
        same = quern.compare(embeddings, embeddings)
    assert same.drift.max == pytest.approx(0, abs=1e-12)
    np.save(tmp_path / "a.npy", rotated)
    by_path = quern.compare(tmp_path / "a.npy", embeddings, max_mean_drift=1)
    by_array = quern.compare(rotated, embeddings, max_mean_drift=1)
    assert by_path.raw["drift"] == by_array.raw["drift"]
    cosines = np.sum(embeddings.astype(float) * rotated, 1) / np.linalg.norm(rotated.astype(float), axis=1)
    assert by_array.drift.mean == pytest.approx(np.mean(1 - cosines), rel=1e-4)
    with pytest.raises(quern.InvalidArgumentError, match="floating-point"):
        quern.compare(np.zeros((2, 2), int), embeddings)


# Errors


def test_errors_have_the_class_and_the_message_of_the_exit_status(tmp_path):
    output = tmp_path / "a.quern"
    with pytest.raises(quern.NotFoundError, match=r"^\S+absent: cannot open the folder: No such file") as caught:
        quern.convert(CHECKPOINT, calibration=tmp_path / "absent", output=output)
    assert caught.value.exit_code == 66
    with pytest.raises(FileNotFoundError):
        quern.convert(tmp_path / "absent.pth", calibration=PHOTOGRAPHS, output=output)
    with pytest.raises(quern.InvalidArgumentError, match=r"must end in \.quern"):
        quern.convert(CHECKPOINT, calibration=PHOTOGRAPHS, output=tmp_path / "a.png")
    with pytest.raises(quern.InvalidArgumentError, match=r"^Missing|--max-mean-drift"):
        quern.convert(CHECKPOINT, calibration=PHOTOGRAPHS, output=output, max_mean_drift="much")
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    with pytest.raises(quern.BadDataError, match=r"broken\.pth"):
        quern.convert(tmp_path / "broken.pth", calibration=PHOTOGRAPHS, output=output)
    with pytest.raises(quern.CannotCreateError, match="none"):
        quern.convert(CHECKPOINT, calibration=PHOTOGRAPHS, output=tmp_path / "none/a.quern")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.pth"]


def test_a_missing_tool_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("QUERN_TOOL", str(tmp_path / "absent"))
    with pytest.raises(quern.NotAvailableError, match="absent"):
        quern.compare("a.npy", "b.npy")


def _pretend(tmp_path, monkeypatch, script):
    """A tool that runs a shell script in place of each command."""
    tool = tmp_path / "tool"
    tool.write_text(
        f'#!/bin/sh\nif [ "$1" = --experimental-dump-help ]; then exec {_binary.path()} "$1"; fi\n{script}\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("QUERN_TOOL", str(tool))


def test_a_library_that_the_tool_misses(tmp_path, monkeypatch):
    _pretend(tmp_path, monkeypatch, "echo 'quern: error: something is missing' >&2; exit 69")
    with pytest.raises(quern.NotAvailableError, match=r"^something is missing") as caught:
        quern.compare("a.npy", "b.npy")
    assert caught.value.exit_code == 69


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 70", "ended with the status 70"),
        ("echo nothing", "ended with the status 0"),
        ("echo '{}'", "cannot be read"),
        ("kill -SEGV $$", "SIGSEGV"),
    ],
)
def test_defects_of_the_tool_are_internal_errors(tmp_path, monkeypatch, script, message):
    _pretend(tmp_path, monkeypatch, script)
    with pytest.raises(quern.InternalError, match=message):
        quern.compare("a.npy", "b.npy")


# Messages and progress


def test_figures_in_doubt_are_warnings(report, validation):
    calibration = validation.parent / "calibration"
    with pytest.warns(quern.QuernWarning, match="are calibration images") as caught:
        verified = quern.verify(report.raw["package"]["path"], reference=CHECKPOINT, images=calibration)
    assert [str(entry.message) for entry in caught] == list(verified.warnings)


def test_warnings_and_notes(tmp_path, monkeypatch, caplog, report):
    (tmp_path / "report.json").write_text(json.dumps(dict(report.raw)))
    _pretend(tmp_path, monkeypatch, f"echo 'quern: warning: one' >&2; echo two >&2; cat {tmp_path}/report.json")
    caplog.set_level(logging.INFO, logger="quern")
    with pytest.warns(quern.QuernWarning, match=r"^one$") as caught:
        quern.compare("a.npy", "b.npy")
    assert caught[0].filename == __file__
    assert [record.message for record in caplog.records] == ["two"]


def test_progress(tmp_path):
    seen = []
    quern.convert(CHECKPOINT, calibration=PHOTOGRAPHS, output=tmp_path / "a.quern", progress=seen.append, **FAST)
    counted = [entry for entry in seen if entry.total is not None]
    assert len({entry.stage for entry in counted}) >= 2
    assert all(0 <= entry.done <= entry.total for entry in counted)
    assert any(entry.done > 0 for entry in counted)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_messages_may_arrive_in_any_pieces(step):
    def line(stage, **fields):
        return json.dumps({"schema": "quern.progress/1", "stage": stage, "unit": "images", **fields}) + "\n"

    text = line("read") + line("embed", done=0, total=9) + line("embed", done=3, total=9, remaining_seconds=2.5)
    text += 'quern: warning: é\nnote\n{"a": 1}\n{\n' + line("embed", done=9, total=9) + "quern: error: bad:\nmore"
    seen = []
    messages = Messages(seen.append)
    for start in range(0, len(text), step):
        messages.read(text[start : start + step])
    messages.end()
    assert messages.warnings == ["é"]
    assert messages.error == "bad:\nmore"
    assert messages.lines[:3] == ["note", '{"a": 1}', "{"]
    found = [(entry.stage, entry.done, entry.total, entry.seconds_left) for entry in seen]
    assert found == [("read", None, None, None), ("embed", 0, 9, None), ("embed", 3, 9, 2.5), ("embed", 9, 9, None)]


def test_progress_on_stderr(tmp_path, capsys):
    quern.convert(CHECKPOINT, calibration=PHOTOGRAPHS, output=tmp_path / "a.quern", progress=True, **FAST)
    assert "\rcalibrate" in capsys.readouterr().err


def test_an_interruption_ends_the_tool(tmp_path, monkeypatch):
    _pretend(
        tmp_path,
        monkeypatch,
        f"trap 'echo ended > {tmp_path}/ended; exit 143' TERM\ntouch {tmp_path}/begun\nsleep 60 >/dev/null 2>&1 & wait",
    )

    def interrupt_when_begun(thread):
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        signal.pthread_kill(thread, signal.SIGINT)

    # Python ignores interruptions where a shell started it in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt_when_begun, args=[threading.main_thread().ident], daemon=True).start()
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            quern.compare("a.npy", "b.npy")
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 30
    assert (tmp_path / "ended").read_text() == "ended\n"


def test_an_exception_of_the_progress_function_ends_the_tool(tmp_path):
    def fail(progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        quern.convert(CHECKPOINT, calibration=PHOTOGRAPHS, output=tmp_path / "a.quern", progress=fail, **FAST)
    assert list(tmp_path.iterdir()) == []


# The command


@pytest.mark.parametrize("command", [[sys.executable, "-m", "quern"], [Path(sys.executable).with_name("quern")]])
def test_the_command_is_the_tool(command):
    ran = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == run_tool("--version")
    assert subprocess.run([*command, "no-such-command"], capture_output=True).returncode == 64
