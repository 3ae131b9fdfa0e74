#!/usr/bin/env python3
"""Quern beside ONNX Runtime and OpenVINO/NNCF: conversion, package size, inference, time to the first embedding.

Called by scripts/benchmark. Every trunk gets random but lively weights; times do not depend on them. Rounds of the competitors
are interleaved, and medians are printed, so that a machine that slows down slows all of them.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from PIL import Image
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "differential"))
from compare_with_pytorch import QUERN, ROOT, Case, normalize, gem  # noqa: E402
from peers import onnxruntime_runner, openvino_runner  # noqa: E402

PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")


class Exported(nn.Module):
    def __init__(self, case):
        super().__init__()
        self.features, self.classifier, self.exponent = case.features, case.classifier, case.exponent

    def forward(self, x):
        pooled = gem(self.features(x), self.exponent)
        return normalize(pooled), self.classifier(pooled)


def export(case, path, size):
    axes = {name: {0: "batch"} for name in ("input", "normalized_embedding", "logits")}
    torch.onnx.export(Exported(case).eval(), (torch.randn(1, 3, size, size),), path, opset_version=17, dynamo=False, dynamic_axes=axes,
                      input_names=["input"], output_names=["normalized_embedding", "logits"])


def measured(command):
    """Seconds and peak MB of a command as a process of its own."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    output, _ = process.communicate()
    return time.perf_counter() - start, output


def quern_milliseconds(model, threads, batch, size):
    output = subprocess.run([QUERN, "bench", model, "--threads", str(threads), "--batch", str(batch), "--size", str(size), "--runs", "10", "--json",
                             "--quiet"], check=True, capture_output=True, text=True).stdout
    return json.loads(output)["ms_per_image"]["median"]


def peer_milliseconds(run, x, batch):
    times = []
    for _ in range(10):
        start = time.perf_counter()
        run(x[:batch])
        times.append((time.perf_counter() - start) * 1e3 / batch)
    return statistics.median(times)


def prepare(paths, size):
    tiles = [np.asarray(Image.open(p).convert("RGB").resize((size, size), Image.BILINEAR), np.float32) / 255 for p in paths]
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    return np.stack([((tile - mean) / std).transpose(2, 0, 1) for tile in tiles])


def benchmark(trunk, size, count, rounds, folder):
    case = Case(trunk, 3.0, False, "legacy", classes=1000)
    checkpoint, model = case.save(folder), os.path.join(folder, "model.onnx")
    export(case, model, size)
    paths = [os.path.join(PHOTOGRAPHS, name) for name in sorted(os.listdir(PHOTOGRAPHS)) if name.endswith(".jpg")][:count]
    pixels = os.path.join(folder, "pixels.npy")
    np.save(pixels, prepare(paths, size))

    package = os.path.join(folder, "model.quern")
    seconds, output = measured([QUERN, "convert", checkpoint, "--calibration", PHOTOGRAPHS, "--calibration-count", str(count), "--augmentation", "none",
                                "--size", str(size), "-o", package, "--json", "--quiet"])
    report = json.loads(output)
    rows = [("quern (verification included)", seconds, report["peak_rss_bytes"] / 2**20, os.path.getsize(package))]
    int8 = {"onnxruntime": os.path.join(folder, "ort.onnx"), "nncf": os.path.join(folder, "nncf.xml")}
    for peer, path in int8.items():
        _, output = measured([sys.executable, os.path.join(HERE, "peers.py"), "quantize", peer, model, pixels, path])
        figures = json.loads(output.strip().splitlines()[-1])
        size_on_disk = os.path.getsize(path) + (os.path.getsize(path[:-4] + ".bin") if path.endswith(".xml") else 0)
        rows.append((peer, figures["seconds"], figures["peak_mb"], size_on_disk))
    print(f"\n### {trunk}, {size} pixels\n\n| conversion of {count} images | seconds | peak MB | bytes |\n|---|---|---|---|")
    for name, seconds, peak, size_on_disk in rows:
        print(f"| {name} | {seconds:.1f} | {peak:.0f} | {size_on_disk} |")

    print("\n| ms per image | quern int8 | ONNX Runtime int8 | OpenVINO int8 | ratio | quern float | ONNX Runtime float | OpenVINO float | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for threads in (1, 2):
        runners = [onnxruntime_runner(int8["onnxruntime"], threads), openvino_runner(int8["nncf"], threads),
                   onnxruntime_runner(model, threads), openvino_runner(model, threads)]
        for batch in (1, 8):
            x = np.repeat(np.load(pixels)[:1], batch, 0)
            samples = [[] for _ in range(6)]
            for _ in range(rounds):
                for index, path in enumerate((package, checkpoint)):
                    samples[index].append(quern_milliseconds(path, threads, batch, size))
                for index, run in enumerate(runners):
                    samples[index + 2].append(peer_milliseconds(run, x, batch))
            ours8, ours, ort8, ov8, ort, ov = (statistics.median(s) for s in samples)
            print(f"| {threads} thread{'s' if threads > 1 else ''}, batch {batch} | {ours8:.2f} | {ort8:.2f} | {ov8:.2f} | {ours8 / min(ort8, ov8):.2f} "
                  f"| {ours:.2f} | {ort:.2f} | {ov:.2f} | {ours / min(ort, ov):.2f} |", flush=True)


def processor():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trunk", nargs="+", default=["resnet50"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=96, help="calibration images, at most 96")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"On {processor()}.")
    for trunk in options.trunk:
        with tempfile.TemporaryDirectory() as folder:
            benchmark(trunk, options.size, options.images, options.rounds, folder)


if __name__ == "__main__":
    main()
