#!/usr/bin/env python3
"""Compares files of embeddings, and the exact search of them, with NumPy and FAISS.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_embeddings.py

Needs a release build with the product search-tool. `quern embed` must write the same numbers and names in all formats, as NumPy
reads them, and `quern compare` must read them back; damaged files must be refused. Searches of random embeddings in every format
that NumPy writes must find the ranks and neighbours that products in double precision give, and those of FAISS, up to
similarities that differ by less than 1e-6; and they must be the same bytes whatever the format and the number of threads.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

import faiss
import numpy as np
from safetensors.numpy import load_file, save_file
from safetensors import safe_open

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
SEARCH = os.path.join(ROOT, ".build", "release", "search-tool")
CHECKPOINT = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")
TOLERANCE = 1e-6


def run(*command, status=0):
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode != status:
        sys.exit(f"{' '.join(command)}: status {outcome.returncode} instead of {status}\n{outcome.stderr}")
    return outcome.stdout


def read(path):
    """Returns the rows of a file as other programs read it."""
    if path.endswith(".npy"):
        return np.load(path)
    if path.endswith(".safetensors"):
        return load_file(path)["normalized_embedding"]
    numbers = np.fromfile(path, "<u4")
    if path.endswith(".fbin"):
        return numbers[2:].view("<f4").reshape(numbers[0], numbers[1])
    rows = numbers.reshape(-1, numbers[0] + 1)
    assert (rows[:, 0] == numbers[0]).all()
    return rows[:, 1:].copy().view("<f4")


def write(path, rows):
    if path.endswith(".npy"):
        np.save(path, rows)
    elif path.endswith(".safetensors"):
        save_file({"embedding": rows}, path)
    elif path.endswith(".fbin"):
        with open(path, "wb") as file:
            np.array(rows.shape, "<u4").tofile(file)
            rows.astype("<f4").tofile(file)
    else:
        dimensions = np.full((len(rows), 1), rows.shape[1], "<u4")
        np.hstack([dimensions, rows.astype("<f4").view("<u4")]).tofile(path)


def compare_files(folder):
    files = [os.path.join(folder, "photos." + ending) for ending in ["safetensors", "npy", "fbin", "fvecs"]]
    for path in files:
        run(QUERN, "embed", CHECKPOINT, PHOTOGRAPHS, "--size", "64", "--crop", "rect", "--quiet", "-o", path)
    expected = read(files[0])
    with safe_open(files[0], "np") as file:
        metadata = file.metadata()
    assert np.abs(np.linalg.norm(expected.astype(float), axis=1) - 1).max() < 1e-5
    for path in files[1:]:
        rows = read(path)
        assert rows.dtype == np.float32 and rows.tobytes() == expected.tobytes(), path
        with open(path + ".json") as file:
            stated = json.load(file)
        assert stated.pop("schema") == "quern.embeddings/1"
        assert stated.pop("files") == json.loads(metadata["files"])
        with open(path, "rb") as file:
            assert stated.pop("numbers_sha256") == hashlib.sha256(file.read()).hexdigest()
        assert stated == {key: value for key, value in metadata.items() if key != "files"}, stated
        report = json.loads(run(QUERN, "compare", path, files[0], "--json", "--quiet"))
        assert report["images"] == len(rows), report
    # Rows are matched by the names, so that their order does not matter.
    shuffled = os.path.join(folder, "shuffled.fbin")
    write(shuffled, expected[::-1])
    with open(shuffled + ".json", "w") as file:
        json.dump({"schema": "quern.embeddings/1", "files": json.loads(metadata["files"])[::-1]}, file)
    run(QUERN, "compare", shuffled, files[0], "--quiet", "--max-drift", "1e-6")
    for path in files:
        with open(path, "rb") as file:
            data = file.read()
        damaged = os.path.join(folder, "damaged" + os.path.splitext(path)[1])
        for cut in [1, 7, len(data) // 2, len(data) - 1]:
            with open(damaged, "wb") as file:
                file.write(data[:cut])
            run(QUERN, "compare", damaged, files[0], status=65)
    # One pass for several sizes gives the bytes of a pass for each.
    sizes = ["--size", "64:2", "--size", "96", "--crop", "rect", "--quiet"]
    run(QUERN, "embed", CHECKPOINT, PHOTOGRAPHS, *sizes, "-o", os.path.join(folder, "several.safetensors"))
    for size in ["64:2", "96"]:
        alone, several = [os.path.join(folder, name) for name in ["alone.safetensors", f"several-{size[:2]}.safetensors"]]
        run(QUERN, "embed", CHECKPOINT, PHOTOGRAPHS, "--size", size, "--crop", "rect", "--quiet", "-o", alone)
        with open(alone, "rb") as one, open(several, "rb") as other:
            assert one.read() == other.read(), size
    # What is not ours next to a file is neither read nor replaced.
    own = os.path.join(folder, "own.npy")
    with open(own + ".json", "w") as file:
        file.write('{"files": []}')
    run(QUERN, "embed", CHECKPOINT, PHOTOGRAPHS, "--size", "64", "-o", own, status=64)
    assert not os.path.exists(own) and os.path.getsize(own + ".json") == 13
    print(f"files: {len(expected)} embeddings, {len(files)} formats")


def search(*arguments):
    """Returns the lines of the search tool, without that of its memory."""
    return run(SEARCH, *map(str, arguments)).splitlines()[:-1]


def normalised(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def compare_search(folder, seed):
    rng = np.random.default_rng(seed)
    dimensions = int(rng.choice([3, 64, 100, 513]))
    count, targets, first = int(rng.integers(20, 400)), int(rng.integers(0, 15)), int(rng.choice([1, 10, 100]))
    rows = rng.standard_normal((count, dimensions)).astype(np.float32)
    queries = rows[rng.integers(0, count, 37)] + rng.standard_normal((37, dimensions)).astype(np.float32)
    distractors = rng.standard_normal((int(rng.integers(1, 20000)), dimensions)).astype(np.float32)
    distractors *= rng.uniform(0.01, 100, (len(distractors), 1)).astype(np.float32)
    paths = [os.path.join(folder, name) for name in ["queries.npy", "gallery.npy"]]
    np.save(paths[0], queries)
    np.save(paths[1], rows)
    answers = []
    for threads, ending in enumerate(["npy", "fbin", "fvecs", "safetensors"], 1):
        path = os.path.join(folder, "distractors." + ending)
        write(path, distractors)
        answers.append(search(*paths, path, targets, first, threads))
    assert all(answer == answers[0] for answer in answers), f"seed {seed}: answers depend on the format or the threads"
    for element_type in [np.float16, np.float64]:  # float16 changes the values, so only float64 is compared
        write(os.path.join(folder, "distractors.npy"), distractors.astype(element_type))
        lines = search(*paths, os.path.join(folder, "distractors.npy"), targets, first, 2)
        assert element_type == np.float16 or lines == answers[0], f"seed {seed}: float64"
    gallery = normalised(np.concatenate([rows, distractors]).astype(np.float64))
    exact = normalised(queries.astype(np.float64)) @ gallery.T
    index = faiss.IndexFlatIP(dimensions)
    index.add(gallery.astype(np.float32))
    theirs, _ = index.search(normalised(queries.astype(np.float64)).astype(np.float32), first + 1)
    for query, line in enumerate(answers[0]):
        fields = line.split()
        ignored = (query * targets + targets) % count
        similarities = np.delete(exact[query], ignored)
        for target, rank in enumerate(map(int, fields[:targets])):
            row = (query * targets + target) % count
            low = (similarities > exact[query][row] + TOLERANCE).sum()
            high = (similarities > exact[query][row] - TOLERANCE).sum()
            assert low <= rank <= high, f"seed {seed}, query {query}: rank {rank} of {row} instead of {low} to {high}"
        found, own = np.array(fields[targets::2], int), np.array(fields[targets + 1 :: 2], float)
        assert len(found) == min(first, len(similarities)) and ignored not in found and len(set(found)) == len(found)
        assert np.abs(own - exact[query][found]).max() < TOLERANCE
        assert np.abs(own - np.sort(similarities)[::-1][: len(own)]).max() < TOLERANCE, f"seed {seed}, query {query}"
        # FAISS has the ignored row among its neighbours.
        theirs_left = theirs[query][: len(own) + 1]
        place = np.abs(theirs_left - exact[query][ignored]).argmin()
        if abs(theirs_left[place] - exact[query][ignored]) < TOLERANCE:
            theirs_left = np.delete(theirs_left, place)
        assert np.abs(own - theirs_left[: len(own)]).max() < TOLERANCE, f"seed {seed}, query {query}: FAISS"


def main():
    with tempfile.TemporaryDirectory() as folder:
        compare_files(folder)
        seeds = 20
        for seed in range(seeds):
            compare_search(folder, seed)
        print(f"search: {seeds} random galleries equal to NumPy's and FAISS's")


if __name__ == "__main__":
    main()
