"""Hostile configurations, reports, ground truth and lists of labels."""

import json
import pickle

import images
from case import Cases, fill
from packages import nested_values


def cases(folder, root):
    out = Cases(folder, "TOML")
    package = str(root / "fixtures/packages/version-1.0.quern")
    photographs = str(root / "fixtures/photographs")

    def toml(name, make, limit=65_000):
        """Files of the largest size that is read, and larger ones."""
        data = fill(make, limit)
        out.add(name, data, "inspect", package, "--config", "FILE")

    toml("arrays.toml", lambda n: b"a = " + b"[" * n)
    toml("closed-arrays.toml", lambda n: b"a = " + b"[" * n + b"]" * n)
    toml("tables.toml", lambda n: b"a = " + b"{a=" * n + b"1" + b"}" * n)
    toml("dotted.toml", lambda n: b".".join([b"a"] * n) + b" = 1")
    toml("dotted-table.toml", lambda n: b"[" + b".".join([b"a"] * n) + b"]")
    toml("dotted-array.toml", lambda n: b"[[" + b".".join([b"a"] * n) + b"]]")
    toml("keys.toml", lambda n: b"\n".join(b"k%x = 1" % i for i in range(n)))
    toml("many-tables.toml", lambda n: b"\n".join(b"[t%x]" % i for i in range(n)))
    toml("deep-tables.toml", lambda n: b"\n".join(b"[a." + b"b." * i + b"c]" for i in range(n)))
    toml("array-tables.toml", lambda n: b"[[a]]\n" * n)
    toml("values.toml", lambda n: b"[inspect]\njson = [" + b"1," * n + b"]")
    toml("settings.toml", lambda n: b"[inspect]\n" + b"\n".join(b"k%x = 1" % i for i in range(n)))
    toml("string.toml", lambda n: b'a = "' + b"\\u0041" * n + b'"')
    toml("large.toml", lambda n: b"a = " + b"[" * n, 1_000_000)

    documents = [
        ("nested", b'{"schema":"quern.plan/1","a":' + b"[" * 900_000),
        ("objects", b'{"schema":"quern.plan/1","a":' + b'{"a":' * 180_000),
        ("numbers", b'{"schema":"quern.plan/1","a":[' + b"0," * 500_000 + b"0]}"),
        ("keys", fill(lambda n: json.dumps({"schema": "quern.plan/1", **{f"{i:x}": 0 for i in range(n)}}).encode())),
        ("same-keys", b"{" + b'"a":0,' * 150_000 + b'"a":0}'),
        ("strings", b"[" + b'"\\u0041",' * 100_000 + b'""]'),
        ("digits", b"[" + b"1" * 900_000 + b"]"),
        *((f"members-{name}", b'{"schema":"quern.plan/1","calibration":{"a":' + data + b"}}")
          for name, data in nested_values(1_000_000)),
    ]
    for name, data in documents:
        out.add(f"report-{name}.json", data, "verify", package, "--images", photographs, "--reference", package,
                "--baseline", "FILE", kind="report")
        out.add(f"plan-{name}.json", data, "convert", str(root / "fixtures/demo/multigrain_r50w16_tiny50.pth"), "--calibration",
                photographs, "--plan", "FILE", "-o", str(out.folder / "plan.quern"), "--size", "32", "--calibration-count", "1",
                kind="plan")
        for kind in ("groups", "revisited"):
            out.add(f"{kind}-{name}.json", data, "evaluate", package, "--set", kind, "--data", photographs, "--ground-truth", "FILE",
                    kind="ground truth")
    report = json.loads((root / "fixtures/fidelity/passing-deterministic.json").read_text())
    report["settings"] = {"a": "@"}
    head, tail = json.dumps(report).encode().split(b'"@"')
    for name, data in nested_values(1_000_000):
        out.add(f"settings-{name}.json", head + data + tail, "diff", "FILE", "FILE", kind="report")
    out.kind = "ground truth"
    evaluate = lambda kind: ("evaluate", package, "--set", kind, "--data", photographs, "--ground-truth", "FILE")
    out.add("lines.csv", fill(lambda n: b"query,positive\n" + b"".join(b"%x,%x\n" % (i, i + 1) for i in range(n))), *evaluate("pairs"))
    out.add("query.csv", fill(lambda n: b"query,positive\n" + b"".join(b"admiral-00.jpg,%x\n" % i for i in range(n))), *evaluate("pairs"))
    # Of images that exist, so that every line is read.
    pairs = out.folder / "pairs"
    pairs.mkdir(exist_ok=True)
    for name in "ab":
        (pairs / f"{name}.png").write_bytes(images.png(8, 8))
    out.add("same.csv", fill(lambda n: b"query,positive\n" + b"a,b\n" * n), "evaluate",
            str(root / "fixtures/packages/version-1.0-quantised.quern"), "--set", "pairs", "--data", str(pairs), "--ground-truth", "FILE")
    out.add("quoted.csv", b'query,positive\n"' + b'""' * 450_000, *evaluate("pairs"))
    out.add("columns.csv", b"query,positive" + b"," * 900_000, *evaluate("pairs"))
    out.add("groups.json", fill(lambda n: json.dumps([[f"{i:x}", f"{i + 1:x}"] for i in range(n)]).encode()), *evaluate("groups"))
    truth = lambda n: {"imlist": [f"{i:x}" for i in range(n)], "qimlist": ["0"], "gnd": [{"easy": list(range(n)), "hard": [], "junk": []}]}
    out.add("truth.pkl", fill(lambda n: pickle.dumps(truth(n), 2)), *evaluate("revisited"))
    out.add("queries.pkl", fill(lambda n: pickle.dumps({"imlist": ["0"], "qimlist": [f"{i:x}" for i in range(n)], "gnd": [
        {"easy": [0], "hard": [], "junk": []}] * n}, 2)), *evaluate("revisited"))
    number = lambda i: i.to_bytes(4, "little")
    out.add("doubling.pkl", b"\x80\x02]q\x000" + b"".join(
        b"j" + number(i) + b"j" + number(i) + b"\x86r" + number(i + 1) + b"0" for i in range(60)) + b"j" + number(60) + b".",
            *evaluate("revisited"))
    out.add("texts.pkl", fill(lambda n: b"\x80\x02X" + (100_000).to_bytes(4, "little") + b"n" * 100_000 + b"q\x000](" + b"h\x00" * n + b"e."),
            *evaluate("revisited"))
    out.add("labels.txt", b"0\n" * 400_000, "evaluate", package, "--set", "imagenet", "--data", photographs, "--labels", "FILE")
    return out.list
