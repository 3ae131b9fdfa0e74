#!/usr/bin/env python3
"""Measures the exact search of embeddings alongside FAISS's exact index (IndexFlatIP), and prints a table.

  pip install numpy faiss-cpu
  python scripts/benchmarks/search.py                  # 300,000 distractors of 2048 dimensions, 500 queries
  python scripts/benchmarks/search.py --rows 100000 --dimensions 512

Embeddings are random and normalised, in .npy files in a temporary folder (2.5 GB by default), which are in the page cache
when they are searched. Both read the same files with the same number of threads, by turns, each time in a new process. The
tool's time is that of its process; FAISS's starts when Python's modules are loaded, and contains the loading of the files
(numpy.load with memory mapping, and add) and the search. The tool also computes the ranks of three targets of each query and
leaves out one row, which FAISS does not. The first neighbours of both must be the same, up to similarities that differ by less
than 1e-5.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GALLERY = 1500
TARGETS = 3

FAISS = """
import json, sys, time
import faiss, numpy as np
folder, first, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
faiss.omp_set_num_threads(threads)
start = time.perf_counter()
queries = np.load(f"{folder}/queries.npy")
index = faiss.IndexFlatIP(queries.shape[1])
index.add(np.load(f"{folder}/gallery.npy"))
index.add(np.load(f"{folder}/distractors.npy", mmap_mode="r"))
loaded = time.perf_counter()
similarities, rows = index.search(queries, first + 1)
end = time.perf_counter()
np.save(f"{folder}/faiss.npy", np.stack([rows, similarities.astype(np.float64)]))
memory = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps({"memory": int(memory[0]), "total": end - start, "search": end - loaded, "version": faiss.__version__}))
"""


def normalised(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_files(folder, rows, dimensions, queries):
    rng = np.random.default_rng(1)
    gallery = normalised(rng.standard_normal((GALLERY, dimensions), dtype=np.float32))
    noise = rng.standard_normal((queries, dimensions), dtype=np.float32)
    near = gallery[np.arange(queries) * TARGETS % GALLERY] + noise * np.float32(0.9 / dimensions**0.5)
    np.save(folder / "gallery.npy", gallery)
    np.save(folder / "queries.npy", normalised(near))
    with open(folder / "distractors.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, dimensions)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, 10000):
            count = min(10000, rows - start)
            normalised(rng.standard_normal((count, dimensions), dtype=np.float32)).tofile(file)


def run(command, environment):
    """Returns the lines that a process prints, and its seconds."""
    start = time.perf_counter()
    process = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
    return process.stdout.decode().splitlines(), time.perf_counter() - start


def check(lines, folder, first):
    all_rows, all_similarities = np.load(folder / "faiss.npy")
    for query, line in enumerate(lines):
        kept = all_rows[query] != (query * TARGETS + TARGETS) % GALLERY  # the tool ignores this row
        rows, similarities = all_rows[query][kept][:first], all_similarities[query][kept][:first]
        fields = line.split()[TARGETS:]
        own_rows, own = np.array(fields[::2], int), np.array(fields[1::2], float)
        if len(own) != first or np.abs(own - similarities).max() > 1e-5:
            sys.exit(f"query {query}: other similarities than FAISS's")
        # Where a row differs, its similarity nearly equals that of a neighbour in the order.
        for place in np.nonzero(own_rows != rows)[0]:
            near = np.abs(similarities - own[place]) < 1e-5
            if place + 1 < first and own_rows[place] not in rows[near]:
                sys.exit(f"query {query}: row {own_rows[place]} at {place}, where FAISS has {rows[place]:.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000, help="distractors")
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--first", type=int, default=100, help="neighbours of each query")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tool", help="a search-tool that is built already")
    options = parser.parse_args()
    tool = options.tool
    if not tool:
        subprocess.run(["swift", "build", "-c", "release", "--product", "search-tool"], cwd=ROOT, check=True, stdout=sys.stderr)
        tool = str(ROOT / ".build/release/search-tool")
    threads = str(options.threads)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    times = {"tool": [], "FAISS": [], "FAISS, search alone": []}
    memory = {"tool": 0, "FAISS": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_files(folder, options.rows, options.dimensions, options.queries)
        files = [str(folder / f"{name}.npy") for name in ["queries", "gallery", "distractors"]]
        for _ in range(options.rounds):
            lines, _ = run([sys.executable, "-c", FAISS, name, str(options.first), threads], environment)
            result = json.loads(lines[0])
            times["FAISS"].append(result["total"])
            times["FAISS, search alone"].append(result["search"])
            memory["FAISS"] = max(memory["FAISS"], result["memory"] / 1024)
            lines, seconds = run([tool, *files, str(TARGETS), str(options.first), threads], environment)
            times["tool"].append(seconds)
            memory["tool"] = max(memory["tool"], int(lines.pop().split()[1]) / 1024)
            check(lines, folder, options.first)
            print(f"FAISS {result['total']:.2f} s ({result['search']:.2f} s), tool {seconds:.2f} s", file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{options.queries} queries, {options.rows} distractors of {options.dimensions} dimensions, "
          f"{threads} threads, FAISS {result['version']}; medians of {options.rounds} rounds\n")
    print("| | seconds | of FAISS's | memory, MB |\n|---|---|---|---|")
    for name, median in medians.items():
        peak = f"{memory[name]:.0f}" if name in memory else ""
        print(f"| {name} | {median:.2f} | {median / medians['FAISS']:.2f} | {peak} |")


if __name__ == "__main__":
    main()
