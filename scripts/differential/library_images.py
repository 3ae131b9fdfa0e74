"""Images and comparisons for scripts/test-library, with Python's standard library alone.

  library_images.py make FOLDER              # the same images as FOLDER/png/*.png and FOLDER/ppm/*.ppm
  library_images.py compare TOOL.npy RAW     # float32 rows that must be equal to the bit
"""

import math
import pathlib
import random
import struct
import sys
import zlib

SIZES = [(64, 64), (97, 97), (96, 128), (130, 61), (300, 200), (33, 500), (640, 480), (97, 64)]


def pixels(width, height, seed):
    generator = random.Random(seed)
    waves = [(generator.uniform(0.01, 0.3), generator.uniform(0.01, 0.3), generator.uniform(0, 6)) for _ in range(3)]
    return bytes(
        min(255, max(0, round(127 + 100 * math.sin(a * x + b * y + c) + generator.gauss(0, 12))))
        for y in range(height) for x in range(width) for a, b, c in waves)


def png(width, height, rgb):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + rgb[3 * width * y:3 * width * (y + 1)] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def make(folder):
    for kind in ("png", "ppm"):
        (folder / kind).mkdir()
    for index, (width, height) in enumerate(SIZES):
        rgb = pixels(width, height, index)
        (folder / f"png/{index}.png").write_bytes(png(width, height, rgb))
        (folder / f"ppm/{index}.ppm").write_bytes(b"P6\n%d %d\n255\n" % (width, height) + rgb)


def compare(array, raw):
    data = array.read_bytes()
    header = struct.unpack("<H", data[8:10])[0]
    expected, actual = data[10 + header:], raw.read_bytes()
    if expected != actual:
        rows = len(SIZES)
        if len(expected) != len(actual):
            sys.exit(f"{raw} has {len(actual)} bytes, and {array} {len(expected)}")
        size = len(expected) // rows
        wrong = [row for row in range(rows) if expected[row * size:(row + 1) * size] != actual[row * size:(row + 1) * size]]
        sys.exit(f"the embeddings of images {wrong} differ from those of the tool")
    print(f"{len(SIZES)} embeddings, {len(actual)} bytes: equal to the tool's")


if sys.argv[1] == "make":
    make(pathlib.Path(sys.argv[2]))
else:
    compare(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
