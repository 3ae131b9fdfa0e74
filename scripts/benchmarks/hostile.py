#!/usr/bin/env python3
"""Makes the worst files of up to 1 MB that are known for each format, and measures what the tool does with them.

    scripts/benchmarks/hostile.py [--tool PATH] [--only TEXT] [--keep FOLDER] [--all]

Each file may take 64 MB more than the tool takes anyway (and more than the pixels of an image that it decodes) and one
second of processor time, or it must be refused with exit status 65. The table has the worst file of each kind, or all
of them with --all. The exit status is 1 if a file takes more memory, or ends in another way. Files that take more time
are marked: that depends on the machine, and on what else runs there. The fastest of three runs counts.

Needs only Python's standard library and libzstd.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
import checkpoints  # noqa: E402
import images  # noqa: E402
import marks  # noqa: E402
import networks  # noqa: E402
import packages  # noqa: E402
import texts  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
LARGEST_FILE = 1 << 20
SECONDS, MEGABYTES = 1.0, 64
# A run that takes longer is ended, and one that needs more memory fails.
TIMEOUT, ADDRESS_SPACE = 60, 12 << 30


class Result:
    def __init__(self, status, seconds, peak, message):
        self.status, self.seconds, self.peak, self.message = status, seconds, peak, message


def run(command, folder):
    """Runs a command to its end and returns its status, processor time, peak memory in MB and last message."""
    errors = Path(folder) / "stderr"
    started = os.fork()
    if started == 0:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
            resource.setrlimit(resource.RLIMIT_CPU, (TIMEOUT, TIMEOUT))
            with open(os.devnull, "wb") as null, open(errors, "wb") as file:
                os.dup2(null.fileno(), 1)
                os.dup2(file.fileno(), 2)
            os.execv(command[0], command)
        finally:
            os._exit(127)
    _, status, usage = os.wait4(started, 0)
    code = os.waitstatus_to_exitcode(status)
    lines = errors.read_text(errors="replace").strip().splitlines()
    # Advice for several images follows their errors.
    lines = [line for line in lines if "error: " in line and not line.endswith(":")] or lines[-2:]
    return Result(code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, lines[0] if lines else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", default=str(ROOT / ".build/release/quern"))
    parser.add_argument("--only", help="only files whose kind or name contains this text")
    parser.add_argument("--keep", help="a folder to keep the files in")
    parser.add_argument("--all", action="store_true", help="print all files, not only the worst of each kind")
    options = parser.parse_args()
    tool = str(Path(options.tool).resolve())
    folder = Path(options.keep or tempfile.mkdtemp(prefix="quern-hostile-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        good = measure(tool, folder, options)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    sys.exit(0 if good else 1)


def measure(tool, folder, options):
    base = run([tool, "--version"], folder).peak
    rows, good = [], True
    for module in (checkpoints, networks, packages, texts, marks, images):
        # Made by another process: the memory of this one would count as that of the tool, which it becomes.
        with multiprocessing.Pool(1) as maker:
            cases = maker.apply(module.cases, (folder, ROOT))
        for case in cases:
            if options.only and options.only not in f"{case.kind} {case.name}":
                continue
            if case.bytes > LARGEST_FILE:
                print(f"{case.name} has {case.bytes} bytes", file=sys.stderr)
                good = False
            result = run([tool] + case.arguments, folder)
            for _ in range(2):
                if SECONDS < result.seconds < TIMEOUT:
                    result = min(result, run([tool] + case.arguments, folder), key=lambda again: again.seconds)
            extra = result.peak - base - case.pixel_bytes / (1 << 20)
            good = good and extra <= MEGABYTES and result.status in (0, 65)
            within = result.seconds <= SECONDS and extra <= MEGABYTES and result.status in (0, 65)
            rows.append((case, result, extra, within))
            if options.all:
                print(row(*rows[-1]), flush=True)
    if not options.all:
        print("| kind | worst file | bytes | command | result | CPU s | extra MB | |\n|---|---|---|---|---|---|---|---|")
        kinds = list(dict.fromkeys(case.kind for case, *_ in rows))
        for kind in kinds:
            group = [entry for entry in rows if entry[0].kind == kind]
            print(row(*max(group, key=lambda entry: (entry[1].seconds / SECONDS + max(entry[2], 0) / MEGABYTES))))
    print(f"{len(rows)} files, {sum(not entry[3] for entry in rows)} beyond {SECONDS:g} s or {MEGABYTES} MB, "
          f"or ended otherwise than with 0 or 65", file=sys.stderr)
    return good


def row(case, result, extra, within):
    mark = "" if within else "**beyond**"
    message = "" if result.status == 0 else f": {result.message[:110].replace('|', '/')}"
    return (f"| {case.kind} | {case.name} | {case.bytes} | {case.arguments[0]} | {result.status}{message} | "
            f"{result.seconds:.2f} | {extra:.0f} | {mark} |")


if __name__ == "__main__":
    main()
