"""Texts with long runs of combining marks, which are sorted in quadratic time where texts are compared, or of regional
indicators, in which a step backwards goes to the start of the run: as names, keys and values of each format."""

import io
import json
import pickle
import zipfile

import checkpoints
import networks
import packages
from case import Cases
from protobuf import field, message

RUNS = {
    "marks": lambda count: "a" + "\u0315\u0300" * (count // 4),
    # These decompose to marks, and are none.
    "vowels": lambda count: "a" + "\u0f75\u0f73" * (count // 6),
    "indicators": lambda count: "\U0001f1e6" * (count // 4),
}


def cases(folder, root):
    out = Cases(folder, "runs of marks")
    package, photographs = str(root / "fixtures/packages/version-1.0-quantised.quern"), str(root / "fixtures/photographs")
    report = json.loads((root / "fixtures/fidelity/passing-deterministic.json").read_text())

    def text(value):
        return json.dumps(value, ensure_ascii=False).encode()

    for kind, run in RUNS.items():
        long, middle, short = run(900_000), run(240_000), run(60_000)
        out.add(f"{kind}.safetensors", checkpoints.safetensors({middle: checkpoints.entry()}))
        out.add(f"{kind}-metadata.safetensors", checkpoints.safetensors({"__metadata__": {middle: ""}}))
        out.add(f"{kind}.index.json", text({"weight_map": {long: "a.safetensors"}}))
        out.add(f"{kind}.ckpt", checkpoints.mindspore(1, lambda i: run(900).encode()))
        entries = io.BytesIO()
        with zipfile.ZipFile(entries, "w") as archive:
            for index in range(7):
                archive.writestr(f"archive/data/{short}{index}", b"")
        out.add(f"{kind}.pth", entries.getvalue())
        out.add(f"{kind}-names.pth", checkpoints.torch_zip(pickle.dumps({long: 1, "b": 2}, 2)))

        out.add(f"{kind}.onnx", networks.network(
            [networks.node("Relu", ["x"], [middle]), networks.node("Relu", [middle], ["y"])], last="y"))
        out.add(f"{kind}-attribute.onnx", networks.network(
            [networks.node("Relu", ["x"], ["y"], networks.attribute(long, 1))], last="y"))
        pooled = networks.graph([networks.node("GlobalAveragePool", ["x"], ["embedding"])])
        out.add(f"{kind}-domain.onnx", networks.model(pooled, opsets=[long]))
        out.add(f"{kind}-metadata.onnx", networks.model(pooled, extra=message(14, field(1, long) + field(2, "a"))))

        def sealed(name, graph, *more):
            out.add(name, packages.package([(1, graph, False), (2, packages.runtime(), False), *more]))
        sealed(f"{kind}.quern", packages.graph([packages.node(long)], [("embedding", 1)]))
        sealed(f"{kind}-metadata.quern", packages.graph([packages.node("r")], [("embedding", 1)]),
               (255, text({long: 1}), False))
        out.add(f"{kind}.sig", text({middle: 1}), "verify", package, "--signature", "FILE", "--public-key",
                str(root / "fixtures/signatures/p256.pub"))

        out.add(f"{kind}.toml", f'[inspect]\n"{short}" = 1\n'.encode(), "inspect", package, "--config", "FILE")
        escaped = json.dumps({long[:80_000]: 1})
        out.add(f"{kind}-plan.json", b'{"schema":"quern.plan/1",' + escaped.encode()[1:], "convert",
                str(root / "fixtures/demo/multigrain_r50w16_tiny50.pth"), "--calibration", photographs, "--plan", "FILE", "-o",
                str(out.folder / "plan.quern"), "--size", "32", "--calibration-count", "1")
        out.add(f"{kind}-report.json", text({**report, long: 1}), "diff", "FILE", "FILE")
        evaluate = ("evaluate", package, "--data", photographs)
        out.add(f"{kind}-groups.json", text({long: ["admiral-00.jpg"]}), *evaluate, "--set", "groups", "--ground-truth", "FILE")
        out.add(f"{kind}-pairs.csv", f"query,positive\n{long},b\n".encode(), *evaluate, "--set", "pairs", "--ground-truth", "FILE")
        out.add(f"{kind}-truth.pkl", pickle.dumps({long: 1}, 2), *evaluate, "--set", "revisited", "--ground-truth", "FILE")
        out.add(f"{kind}-rotations.yaml", f"{long}.jpg: 90\n".encode(), *evaluate, "--set", "holidays", "--rotations", "FILE")
        out.add(f"{kind}-names.txt", f"{middle}\n{middle}\n".encode(), "classify", package, photographs + "/admiral-00.jpg",
                "--class-names", "FILE")
    return out.list
