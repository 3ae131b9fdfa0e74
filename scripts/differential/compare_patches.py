#!/usr/bin/env python3
"""Applies patches of packages by formats/patch.md, and compares the result with the package that the patch was made for.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_patches.py
    venv/bin/python scripts/differential/compare_patches.py old.quern update.qpatch new.quern

Without arguments, a release build converts the bundled network and copies of it whose weights were changed, and makes and applies
patches between all packages. This program shares no code with quern. It compares sections by their
contents, as the libzstd of Python may be another version; `quern patch apply` must make the same bytes.
"""

import hashlib
import itertools
import os
import struct
import subprocess
import sys
import tempfile

import torch
import zstandard

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")
CHECKPOINT = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")
# The noise that is added to weights, relative to the standard deviation of each tensor.
MAGNITUDES = [0.001, 0.1]

NONE = 2**32 - 1


class Package:
    """Sections of a package: kind, criticality, encoding, contents, bytes in the file (formats/package.md)."""

    def __init__(self, path):
        self.data = open(path, "rb").read()
        index, length = struct.unpack_from("<QQ", self.data, 32)
        self.content_hash = self.data[96:128]
        self.sections = []
        for start in range(index, index + length, 96):
            kind, encoding, flags = self.data[start:start + 3]
            offset, stored, raw = struct.unpack_from("<QQQ", self.data, start + 8)
            frame = self.data[offset:offset + stored]
            contents = frame if encoding == 0 else zstandard.ZstdDecompressor().decompress(frame, max_output_size=raw)
            assert hashlib.sha256(contents).digest() == self.data[start + 32:start + 64]
            self.sections.append((kind, flags, encoding, contents, frame))


def decompress(frame, length, prefix=None):
    if length == 0:
        return b""
    options = {}
    if prefix:
        options["dict_data"] = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    result = zstandard.ZstdDecompressor(max_window_size=1 << 30, **options).decompress(frame, max_output_size=length)
    assert len(result) == length, (len(result), length)
    return result


def sparse(payload, length):
    count, stored = struct.unpack_from("<II", payload)
    gaps = decompress(payload[8:8 + stored], count)
    values = decompress(payload[8 + stored:], sum(gap != 255 for gap in gaps))
    result, position, following = bytearray(length), 0, iter(values)
    for gap in gaps:
        position += gap
        if gap != 255:
            result[position] = next(following)
            position += 1
    assert next(following, None) is None
    return bytes(result)


def add(source, zigzag, width):
    count, bits = len(source) // width, 8 * width
    result = bytearray()
    for index in range(count):
        f = sum(zigzag[plane * count + index] << (8 * plane) for plane in range(width))
        d = -(f + 1) // 2 if f % 2 else f // 2
        x = int.from_bytes(source[width * index:width * (index + 1)], "little")
        result += ((x + d) % 2**bits).to_bytes(width, "little")
    return bytes(result)


def apply(old, patch):
    """The sections of the new package: kind, criticality, whether compressed, form, and what the entry makes."""
    assert patch[:8] == b"\x89QPATC\r\n"
    (major, _, size, length, directory_length, stored, _, new_length, _, reserved) = struct.unpack_from("<HHIQQQQQII", patch, 8)
    assert (major, size, length, reserved) == (1, 256, len(patch), 0)
    assert hashlib.sha256(patch[:224]).digest() == patch[224:256]
    assert hashlib.sha256(patch[256:]).digest() == patch[192:224]
    assert hashlib.sha256(old.data).digest() == patch[64:96]
    assert old.content_hash == patch[96:128]
    directory = patch[256:256 + stored]
    if stored < directory_length:
        directory = decompress(directory, directory_length)
    end, sections, used = 256 + stored, [], set()
    for start in range(0, directory_length, 32):
        (kind, critical, compressed, form, method, width, encoding, zero, source, also_zero, made_length,
         payload_length) = struct.unpack_from("<8BIIQQ", directory, start)
        assert (zero, also_zero) == (0, 0)
        payload = patch[end:end + payload_length]
        end += payload_length
        before = b""
        if source != NONE:
            assert source not in used and old.sections[source][0] == kind
            used.add(source)
            before = old.sections[source][4 if form == 1 else 3]
        if method == 0:
            made = before
        elif method in (1, 2):
            made = decompress(payload, made_length, before) if encoding == 1 else payload
        else:
            zigzag = {0: lambda: payload, 1: lambda: decompress(payload, made_length), 2: lambda: sparse(payload, made_length)}
            made = add(before, zigzag[encoding](), width)
        assert len(made) == made_length
        sections.append((kind, critical, compressed, form, made))
    assert end == len(patch)
    return sections


def compare(old_path, patch_path, new_path):
    old, new, patch = Package(old_path), Package(new_path), open(patch_path, "rb").read()
    assert hashlib.sha256(new.data).digest() == patch[128:160]
    assert new.content_hash == patch[160:192]
    sections = apply(old, patch)
    assert len(sections) == len(new.sections)
    for number, (made, expected) in enumerate(zip(sections, new.sections)):
        assert made[:3] == (expected[0], expected[1], expected[2]), number
        assert made[4] == expected[4 if made[3] == 1 else 3], number
    print(f"{len(patch):8d} bytes for {len(new.data):8d}  {os.path.basename(old_path)} -> {os.path.basename(new_path)}")


def run(*command):
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {outcome.returncode}\n{outcome.stderr}")
    return outcome.stdout


def packages(folder):
    """Packages of the bundled network and of networks whose weights differ from it."""
    # The checkpoint is the project's own.
    state = torch.load(CHECKPOINT, map_location="cpu", weights_only=False)
    checkpoints = {"original": CHECKPOINT}
    for magnitude in MAGNITUDES:
        torch.manual_seed(1)
        weights = {
            key: value + magnitude * value.std() * torch.randn_like(value) if value.is_floating_point() and value.dim() > 1 else value
            for key, value in state["model_state"].items()
        }
        checkpoints[f"noise-{magnitude}"] = os.path.join(folder, f"{magnitude}.pth")
        torch.save({"model_state": weights}, checkpoints[f"noise-{magnitude}"])
    for name, checkpoint in checkpoints.items():
        package = os.path.join(folder, f"{name}.quern")
        run(QUERN, "convert", checkpoint, "--calibration", PHOTOGRAPHS, "--size", "64", "--crop", "rect", "--effort", "fast",
            "--min-agreement", "0", "--max-mean-drift", "1", "--max-drift", "2", "-o", package)
        yield package
    for name in ["version-1.0", "worked-example"]:
        yield os.path.join(ROOT, "fixtures", "packages", f"{name}.quern")


def main():
    with tempfile.TemporaryDirectory() as folder:
        patch, made = os.path.join(folder, "update.qpatch"), os.path.join(folder, "made.quern")
        for old, new in itertools.permutations(packages(folder), 2):
            run(QUERN, "patch", "make", old, new, "-o", patch)
            compare(old, patch, new)
            run(QUERN, "patch", "apply", old, patch, "-o", made)
            assert open(made, "rb").read() == open(new, "rb").read(), (old, new)


if __name__ == "__main__":
    compare(*sys.argv[1:]) if sys.argv[1:] else main()
