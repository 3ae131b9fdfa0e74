#!/usr/bin/env python3
"""Compares 'quern evaluate' with scikit-learn, FAISS and the definitions on synthetic ground truth.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_retrieval.py

Needs a release build. Embeddings have 16 elements of 0.25 or -0.25 and zeros otherwise, so that their length is 1 and every
inner product is an exact multiple of 1/16 in any order of summation: many are equal, and ties are decided by names. Ground truth
has easy, hard and ignored images, queries without positives, queries that are in the gallery, and distractors. FAISS searches
exactly, scikit-learn computes the standard average precision, and the other measures follow the definitions of the sets' own
scripts.
All figures must agree to 1e-12, relative to 100 percent.
"""
import argparse
import json
import os
import subprocess
import tempfile

import faiss
import numpy as np
from safetensors.numpy import save_file
from sklearn.metrics import average_precision_score

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
DIMENSIONS = 64
DEPTHS = (1, 5, 10)


def embeddings(random, count):
    rows = np.zeros((count, DIMENSIONS), np.float32)
    for row in rows:
        places = random.choice(DIMENSIONS, 16, replace=False)
        row[places] = random.choice([-0.25, 0.25], 16)
    return rows


def save(path, names, rows, logits=None):
    tensors = {"normalized_embedding": rows}
    if logits is not None:
        tensors["logits"] = logits
    save_file(tensors, path, metadata={"files": json.dumps(names)})


def rankings(names, rows, query_rows, distractors=None):
    """For each query the indices of the gallery by similarity, found by FAISS, and equal ones by name; distractors come last."""
    if distractors is not None:
        rows = np.concatenate([rows, distractors])
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    similarities, found = index.search(query_rows, len(rows))
    # The order of the names as a number, and that of distractors after it.
    places = np.arange(len(rows))
    places[sorted(range(len(names)), key=lambda i: names[i].encode())] = np.arange(len(names))
    return [[i for _, _, i in sorted((-s, places[i], i) for s, i in zip(*line))] for line in zip(similarities, found)]


def trapezoids(ranks):
    """The area under the precision-recall curve, where recall rises at each positive."""
    area = 0.0
    for found, rank in enumerate(ranks):
        before = 1.0 if rank == 0 else found / rank
        area += (before + (found + 1) / (rank + 1)) / 2 / len(ranks)
    return area


def measures(order, positives, ignored):
    """The measures of one query; None without positives."""
    kept = [i for i in order if i not in ignored]
    positives = positives - ignored
    if not positives:
        return None
    truth = np.array([i in positives for i in kept])
    ranks = np.flatnonzero(truth)
    result = {
        "map": trapezoids(ranks), "map_standard": average_precision_score(truth, -np.arange(len(kept), dtype=float)),
        "four_recall_at_4": truth[:4].sum() / 100,
    }
    for k in DEPTHS:
        depth = min(ranks.max() + 1, k)
        result[f"recall_at_{k}"] = float(truth[:k].any())
        result[f"mean_precision_at_{k}"] = truth[:depth].sum() / depth
    return result


def mean(results):
    results = [r for r in results if r is not None]
    return {key: 100 * np.mean([r[key] for r in results]) for key in results[0]} if results else {}


def quern(*arguments):
    outcome = subprocess.run([QUERN, "evaluate", *arguments, "--json", "--quiet"], capture_output=True, text=True)
    if outcome.returncode not in (0, 1):
        raise SystemExit(f"{arguments}: {outcome.stderr}")
    return json.loads(outcome.stdout), outcome.returncode


class Check:
    def __init__(self):
        self.figures, self.worst = 0, 0.0

    def equal(self, title, found, expected):
        for key, value in expected.items():
            difference = abs(found[key] - value) / 100
            self.figures, self.worst = self.figures + 1, max(self.worst, difference)
            if not difference <= 1e-12:
                raise SystemExit(f"{title}: {key} is {found[key]!r}, expected {value!r}")


def graded(folder, random, check):
    """Ground truth of revisited Oxford and Paris, and the comparison of two models."""
    count, query_count = int(random.integers(20, 300)), int(random.integers(2, 40))
    names = [f"{chr(97 + i % 26)}/{i * 7919 % 1000:03}.jpg" for i in range(count)]
    query_names = [f"queries/{i:03}.jpg" for i in range(query_count)]
    # A few queries are in the gallery, too.
    query_names[: query_count // 4] = [names[i] for i in random.choice(count, query_count // 4, replace=False)]
    truth = []
    for index in range(query_count):
        picked = random.permutation(count)[: int(random.integers(0, 12))]
        cuts = sorted(random.integers(0, len(picked) + 1, 2))
        easy, hard, junk = np.split(picked, cuts)
        if index % 7 == 3:
            easy, hard = [], []
        truth.append({"easy": [int(i) for i in easy], "hard": [int(i) for i in hard], "junk": [int(i) for i in junk]})
    path = os.path.join(folder, "gnd.json")
    with open(path, "w") as file:
        json.dump({"imlist": names, "qimlist": query_names, "gnd": truth}, file)
    everything = sorted(set(names + query_names), key=lambda name: random.random())
    expected, files = [], []
    for model in range(2):
        table = dict(zip(everything, embeddings(random, len(everything))))
        files.append(os.path.join(folder, f"{model}.safetensors"))
        save(files[-1], everything, np.stack([table[name] for name in everything]))
        orders = rankings(names, np.stack([table[n] for n in names]), np.stack([table[n] for n in query_names]))
        sets = [{key: set(t[key]) for key in t} for t in truth]
        expected.append({
            "easy": [measures(o, t["easy"], t["junk"] | t["hard"]) for o, t in zip(orders, sets)],
            "medium": [measures(o, t["easy"] | t["hard"], t["junk"]) for o, t in zip(orders, sets)],
            "hard": [measures(o, t["hard"], t["junk"] | t["easy"]) for o, t in zip(orders, sets)],
        })
    arguments = [a for file in files for a in ("--embeddings", file)]
    report, _ = quern("--set", "revisited", "--ground-truth", path, *arguments, "--max-map-drop", "100")
    for model, results in zip(report["models"], expected):
        for protocol, values in results.items():
            if any(v is not None for v in values):
                check.equal(f"revisited {protocol}", model["protocols"][protocol], mean(values))
            else:
                assert protocol not in model["protocols"]
        check.equal("revisited", model, mean(results["medium"]))
    first, second = [[v and 100 * v["map"] for v in e["medium"]] for e in expected]
    pairs = [(a, b) for a, b in zip(first, second) if a is not None]
    comparison = report["models"][1]["comparison"]
    check.equal("comparison", comparison, {"map_drop": np.mean([a - b for a, b in pairs])})
    assert comparison["worse"] == sum(a - b > 1e-9 for a, b in pairs), comparison
    assert comparison["better"] == sum(b - a > 1e-9 for a, b in pairs), comparison
    drop = comparison["map_drop"]
    for limit, status in ((max(0.0, drop) + 1e-6, 0), (drop - 1e-6, 1)):
        if limit >= 0:
            assert quern("--set", "revisited", "--ground-truth", path, *arguments, "--max-map-drop", str(limit))[1] == status


def grouped(folder, random, check):
    """Class folders, groups by JSON and UKBench, with logits that have ties."""
    classes = [f"class-{i}" for i in range(int(random.integers(2, 9)))]
    names = [f"{random.choice(classes)}/{i:03}.jpg" for i in random.permutation(int(random.integers(10, 150)))]
    names += [f"{c}/only.jpg" for c in classes]
    rows = embeddings(random, len(names))
    logits = random.integers(0, 4, (len(names), len(classes))).astype(np.float32)
    path = os.path.join(folder, "folders.safetensors")
    save(path, names, rows, logits)
    members = [{j for j, other in enumerate(names) if other.split("/")[0] == name.split("/")[0]} for name in names]
    orders = rankings(names, rows, rows)
    expected = mean([measures(o, members[i], {i}) for i, o in enumerate(orders)])
    labels = [classes.index(name.split("/")[0]) for name in names]
    order = np.argsort(-logits, axis=1, kind="stable")
    for k in (1, 5):
        expected[f"top{k}"] = 100 * np.mean([label in line[:k] for label, line in zip(labels, order)])
    other = os.path.join(folder, "other.safetensors")
    save(other, names, embeddings(random, len(names)), random.permutation(logits))
    report, _ = quern("--set", "folders", "--embeddings", path, "--embeddings", other)
    check.equal("folders", report["models"][0], expected)
    drop = report["models"][1]["comparison"]["top1_drop"]
    check.equal("top-1 drop", {"drop": drop}, {"drop": expected["top1"] - report["models"][1]["top1"]})
    for limit, status in ((max(0.0, drop) + 1e-6, 0), (drop - 1e-6, 1)):
        if limit >= 0:
            arguments = ("--embeddings", path, "--embeddings", other, "--max-top1-drop", str(limit))
            assert quern("--set", "folders", *arguments)[1] == status

    groups = os.path.join(folder, "groups.json")
    with open(groups, "w") as file:
        json.dump({"groups": {c: [n for n in names if n.startswith(c + "/")] for c in classes[1:]}}, file)
    asked = [i for i, label in enumerate(labels) if label > 0]
    report, _ = quern("--set", "groups", "--ground-truth", groups, "--embeddings", path)
    check.equal("groups", report["models"][0], mean([measures(orders[i], members[i], {i}) for i in asked]))

    distractors = embeddings(random, int(random.integers(1, 200)))
    files = {"npy": os.path.join(folder, "distractors.npy"), "fbin": os.path.join(folder, "distractors.fbin")}
    np.save(files["npy"], distractors)
    with open(files["fbin"], "wb") as file:
        file.write(np.array(distractors.shape, np.uint32).tobytes() + distractors.tobytes())
    orders = rankings(names, rows, rows, distractors)
    for file in files.values():
        report, _ = quern("--set", "folders", "--embeddings", path, "--distractors", file)
        assert report["distractors"] == len(distractors)
        check.equal("distractors", report["models"][0], mean([measures(o, members[i], {i}) for i, o in enumerate(orders)]))

    names = [f"full/ukbench{i:05}.jpg" for i in random.permutation(4 * int(random.integers(1, 30)))]
    rows = embeddings(random, len(names))
    save(path, names, rows)
    objects = [int(name[-9:-4]) // 4 for name in names]
    members = [{j for j, other in enumerate(objects) if other == mine} for mine in objects]
    report, _ = quern("--set", "ukbench", "--embeddings", path)
    check.equal("ukbench", report["models"][0], mean([measures(o, m, set()) for o, m in zip(rankings(names, rows, rows), members)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    check = Check()
    for literal, values in (([0, 3], (0.7083333333333333, 0.75)), ([1], (0.25, 0.5))):
        found = measures(range(5), set(literal), set())
        assert abs(found["map"] - values[0]) < 1e-15 and abs(found["map_standard"] - values[1]) < 1e-15, found
    with tempfile.TemporaryDirectory() as folder:
        for round_number in range(options.rounds):
            random = np.random.default_rng([options.seed, round_number])
            graded(folder, random, check)
            grouped(folder, random, check)
    print(f"seed {options.seed}: {check.figures} figures agree; the largest difference is {check.worst:.1e}")


if __name__ == "__main__":
    main()
