#!/usr/bin/env python3
"""Runs the self-tests of packages in ONNX Runtime: the specification in formats/package.md must suffice to make the images,
hashes and sketches, and an independent implementation of int8 arithmetic must pass.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_selftest.py                # the bundled network
    venv/bin/python scripts/differential/compare_selftest.py model.quern    # other packages

Needs a release build. All integer maps that the format specifies must have the hash that the package states.
"""
import ctypes
import ctypes.util
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.environ.get("QUERN", os.path.join(ROOT, ".build", "release", "quern"))
CHECKPOINT = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")

MASK = (1 << 64) - 1
PRIMES = [0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5]


def quern(*arguments):
    return subprocess.run([QUERN, *arguments, "--quiet"], check=True, stdout=subprocess.PIPE).stdout


def xxh64(data):
    """XXH64 with seed 0, by its specification."""
    p1, p2, p3, p4, p5 = PRIMES

    def turned(value, bits):
        return (value << bits | value >> (64 - bits)) & MASK

    def mixed(lane, word):
        return turned((lane + word * p2) & MASK, 31) * p1 & MASK

    position = len(data) // 32 * 32
    if position:
        lanes = [(p1 + p2) & MASK, p2, 0, -p1 & MASK]
        words = struct.unpack(f"<{position // 8}Q", data[:position])
        for index, word in enumerate(words):
            lanes[index % 4] = mixed(lanes[index % 4], word)
        result = sum(turned(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            result = ((result ^ mixed(0, lane)) * p1 + p4) & MASK
    else:
        result = p5
    result = (result + len(data)) & MASK
    while len(data) - position >= 8:
        (word,) = struct.unpack_from("<Q", data, position)
        result = (turned(result ^ mixed(0, word), 27) * p1 + p4) & MASK
        position += 8
    if len(data) - position >= 4:
        (word,) = struct.unpack_from("<I", data, position)
        result = (turned(result ^ word * p1 & MASK, 23) * p2 + p3) & MASK
        position += 4
    for byte in data[position:]:
        result = turned(result ^ byte * p5 & MASK, 11) * p1 & MASK
    result = (result ^ result >> 33) * p2 & MASK
    result = (result ^ result >> 29) * p3 & MASK
    return result ^ result >> 32


def philox(counters, seed):
    """Philox4x32-10 of counters [n, 4]."""
    a, b, c, d = (counters[:, column].astype(np.uint64) for column in range(4))
    key = [seed & 0xFFFFFFFF, seed >> 32]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        left, right = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = (right >> np.uint64(32)) ^ b ^ np.uint64(key[0]), right & low, (
            left >> np.uint64(32)) ^ d ^ np.uint64(key[1]), left & low
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack([a, b, c, d], axis=1).astype(np.uint32)


def decompressed(frame, size):
    zstd = ctypes.CDLL(ctypes.util.find_library("zstd"))
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    contents = ctypes.create_string_buffer(size)
    assert zstd.ZSTD_decompress(contents, ctypes.c_size_t(size), frame, ctypes.c_size_t(len(frame))) == size
    return contents.raw


class SelfTest:
    """The section of a package, by its specification."""

    def __init__(self, path):
        data = open(path, "rb").read()
        start, length = struct.unpack_from("<QQ", data, 32)
        entry = next(e for e in range(start, start + length, 96) if data[e] == 7)
        offset, stored, raw = struct.unpack_from("<QQQ", data, entry + 8)
        section = data[offset:offset + stored]
        if data[entry + 1] == 1:
            section = decompressed(section, raw)
        (size,) = struct.unpack_from("<I", section)
        self.implementation = section[4:4 + size].decode()
        position = 4 + size
        self.seed, self.images, self.height, self.width, count = struct.unpack_from("<QIIII", section, position)
        position += 24
        self.checks = []
        for _ in range(count):
            value, kind = struct.unpack_from("<IB", section, position)
            position += 5
            form = "<5f" if kind == 3 else "<Q"
            self.checks.append((value, kind, struct.unpack_from(form, section, position)))
            position += struct.calcsize(form)
        assert position == len(section)

    def pixels(self, image):
        side = 4**image
        rows, columns = -(-self.height // side), -(-self.width // side)
        blocks = -(-rows * columns * 3 // 16)
        counters = np.zeros((blocks, 4), np.uint64)
        counters[:, 0], counters[:, 1] = np.arange(blocks), image
        colors = philox(counters, self.seed).astype("<u4").tobytes()[:rows * columns * 3]
        tiles = np.frombuffer(colors, np.uint8).reshape(rows, columns, 3)
        return tiles.repeat(side, axis=0).repeat(side, axis=1)[:self.height, :self.width]

    def sketch(self, elements):
        blocks = -(-len(elements) // 32)
        counters = np.zeros((blocks, 4), np.uint64)
        counters[:, 0], counters[:, 1] = np.arange(blocks), 0xFFFFFFFF
        words = philox(counters, self.seed)
        signs = (words[:, None, :3] >> np.arange(32, dtype=np.uint32)[None, :, None]) & 1
        signs = 1 - 2.0 * signs.reshape(-1, 3)[:len(elements)]
        return np.sqrt((elements**2).sum()), elements @ signs


def run(package, folder):
    test = SelfTest(package)
    info = json.loads(quern("inspect", package, "--json"))
    layers = info["layers"]
    path = os.path.join(folder, "model.onnx")
    quern("export", package, "-o", path, "--weight-type", "uint8")
    model = onnx.load(path)
    known = {name for node in model.graph.node for name in node.output}
    outputs = {output.name for output in model.graph.output}
    output_of = {node.input[0]: node.output[0] for node in model.graph.node if node.output[0] in outputs}
    wanted = {}
    for value, _, _ in test.checks:
        layer = layers[value - 1]
        names = {"uint8": ["quantized"], "uint8 with remainders": ["quantized", "remainder"]}.get(layer["output"], [])
        found = [f"{layer['name']}.{name}" for name in names]
        if found and all(name in known for name in found):
            wanted[value] = found
    for name in sorted({name for names in wanted.values() for name in names}):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    mean, std = np.array(info["mean"], np.float32), np.array(info["std"], np.float32)
    names = [output.name for output in session.get_outputs()]
    results = []
    for image in range(test.images):
        x = ((test.pixels(image).astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)[None]
        results.append(dict(zip(names, session.run(names, {"input": x}))))

    def planes(result, value):
        arrays = [result[name] for name in wanted[value]]
        arrays = [a.transpose(0, 2, 3, 1) if a.ndim == 4 else a for a in arrays]
        return [arrays[0].astype(np.uint8)] + [(a + 128).astype(np.uint8) for a in arrays[1:]]

    equal = different = sketched = beyond = 0
    for value, kind, expected in test.checks:
        if kind == 1 and value in wanted:
            hashes = [xxh64(b"".join(p.tobytes() for p in planes(result, value))) for result in results]
            same = xxh64(struct.pack(f"<{len(hashes)}Q", *hashes)) == expected[0]
            equal, different = equal + same, different + (not same)
            if not same and different <= 5:
                print(f"  {layers[value - 1]['name']} ({layers[value - 1]['op']}) differs")
        elif kind == 3:
            name = output_of.get(layers[value - 1]["name"])
            if name is None:
                continue
            norm, projections = test.sketch(np.concatenate([r[name].ravel() for r in results]).astype(np.float64))
            sketched += 1
            limit = expected[0] * expected[1]
            beyond += abs(norm - expected[1]) > limit or np.abs(projections - expected[2:]).max() > limit
    print(f"{package}: {equal} hashes equal, {different} different; {sketched} sketches compared, {beyond} beyond")
    return different == 0 and beyond == 0 and equal > 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        packages = sys.argv[1:]
        if not packages:
            packages = [os.path.join(folder, "model.quern")]
            quern("convert", CHECKPOINT, "--calibration", PHOTOGRAPHS, "--calibration-count", "48", "--size", "64",
                  "--crop", "rect", "-o", packages[0])
        results = [run(package, folder) for package in packages]
        sys.exit(0 if all(results) else 1)
