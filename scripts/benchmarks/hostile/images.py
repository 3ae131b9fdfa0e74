"""Hostile images. Each is embedded by the smallest package among the fixtures."""

import struct
import zlib

import webp
from case import Cases, fill


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deflated(rows, row):
    """The compressed bytes of equal rows, without holding them."""
    stream, out = zlib.compressobj(1), []
    block = row * max(1, min(rows, (1 << 20) // len(row)))
    left = rows * len(row)
    while left > 0:
        piece = block[:left] if left < len(block) else block
        out.append(stream.compress(piece))
        left -= len(piece)
    return b"".join(out) + stream.flush()


def png(width, height, depth=8, kind=0, interlaced=False, extra=b"", data=None):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    if data is None:
        data = deflated(height + 8 * interlaced, b"\0" * (1 + (width * channels * depth + 7) // 8))
    palette = chunk(b"PLTE", b"\0" * 3) if kind == 3 else b""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(width, height, frame=0xC2, scans=1, components=1, before=b"", sampling=0x11, entropy=b"", restart=0, height_in_frame=None):
    """A JPEG whose scans have no data: every block is what an empty bit stream decodes to."""
    out = b"\xff\xd8" + before + segment(0xDB, b"\0" + b"\1" * 64)
    parts = b"".join(bytes([i + 1, sampling if i == 0 else 0x11, 0]) for i in range(components))
    out += segment(frame, struct.pack(">BHHB", 8, height if height_in_frame is None else height_in_frame, width, components) + parts)
    if frame in (0xC0, 0xC1, 0xC2):
        # One code of one bit, which stands for 0.
        for number in (0x00, 0x10):
            out += segment(0xC4, bytes([number]) + b"\1" + b"\0" * 15 + b"\0")
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))
    for index in range(scans):
        spectral = (0, 0, 0x00) if index == 0 or frame != 0xC2 else (1, 5, 0x00)
        names = b"".join(bytes([i + 1, 0]) for i in range(components if spectral[0] == 0 else 1))
        ends = bytes(spectral) if frame == 0xC2 else b"\0\x3f\0"
        out += segment(0xDA, bytes([len(names) // 2]) + names + ends) + entropy
    return out + b"\xff\xd9"


def cases(folder, root):
    out = Cases(folder, "PNG")
    package = str(root / "fixtures/packages/version-1.0-quantised.quern")

    def add(name, data, pixels=0):
        images = out.folder / name.replace(".", "-")
        images.mkdir(exist_ok=True)
        path = out.add(name, data, "embed", package, str(images), "-o", str(out.folder / f"{name}.npy"), pixel_bytes=pixels)
        path.rename(images / name)

    add("row.png", png(178_956_970, 1))
    add("column.png", png(1, 1_000_000))
    add("long-row.png", png(1_000_000, 1), 3_000_000)
    add("bits.png", png(10_000, 10_000, depth=1), 300_000_000)
    add("grey.png", png(16_000, 11_000), 0)
    add("interlaced.png", png(8_000, 8_000, interlaced=True, depth=1), 192_000_000)
    add("rgba16.png", png(3_000, 3_000, depth=16, kind=6), 27_000_000)
    add("largest.png", png(0x7FFFFFFF, 0x7FFFFFFF, data=zlib.compress(b"")))
    bomb = zlib.compress(b"\0" * 100_000_000, 1)
    add("text.png", png(8, 8, extra=chunk(b"zTXt", b"a\0\0" + bomb)), 192)
    add("international.png", png(8, 8, extra=chunk(b"iTXt", b"a\0\1\0\0\0" + bomb)), 192)
    add("profile.png", png(8, 8, extra=chunk(b"iCCP", b"a\0\0" + bomb)), 192)
    add("chunks.png", png(8, 8, extra=chunk(b"tEXt", b"a\0") * 70_000), 192)
    add("unknown.png", png(8, 8, extra=chunk(b"quRN", b"") * 80_000), 192)
    add("pieces.png", png(8, 8, extra=b"") .replace(b"IEND", b"IEND"), 192)
    add("overlong.png", png(8, 8, data=deflated(200_000, b"\0" * 1024)), 192)
    out.kind = "JPEG"
    add("progressive.jpg", jpeg(13_377, 13_377))
    add("progressive-colour.jpg", jpeg(13_377, 13_377, components=3))
    add("widest.jpg", jpeg(65_500, 2_700, components=3))
    add("tall.jpg", jpeg(1, 65_500))
    add("row.jpg", jpeg(65_500, 1, frame=0xC0, entropy=b"\0" * 3_000))
    add("scans.jpg", jpeg(3_000, 3_000, scans=1_000), 27_000_000)
    add("scans-100.jpg", jpeg(8_000, 8_000, scans=100), 192_000_000)
    add("scans-60000.jpg", jpeg(1_000, 1_000, scans=80_000), 3_000_000)
    add("baseline.jpg", jpeg(13_000, 13_000, frame=0xC0, entropy=b"\0" * 900_000), 507_000_000)
    add("sequential-scans.jpg", jpeg(6_000, 6_000, frame=0xC1, components=3, scans=30), 108_000_000)
    add("arithmetic-large.jpg", jpeg(13_000, 13_000, frame=0xC9))
    add("arithmetic-progressive-large.jpg", jpeg(13_000, 13_000, frame=0xCA))
    add("markers.jpg", jpeg(16, 16, before=segment(0xE1, b"\0" * 60_000) * 16), 768)
    add("small-markers.jpg", jpeg(16, 16, before=segment(0xE1, b"") * 200_000), 768)
    add("comments.jpg", jpeg(16, 16, before=segment(0xFE, b"") * 200_000), 768)
    add("tables.jpg", jpeg(16, 16, before=segment(0xDB, b"\0" + b"\1" * 64) * 14_000), 768)
    add("fill-bytes.jpg", jpeg(16, 16, before=b"\xff" * 1_000_000), 768)
    add("restarts.jpg", jpeg(4_000, 4_000, frame=0xC0, restart=1, entropy=b"".join(b"\0\xff" + bytes([0xD0 + i % 8]) for i in range(250_000))), 48_000_000)
    add("no-height.jpg", jpeg(1_000, 1_000, height_in_frame=0))
    add("sampling.jpg", jpeg(8_000, 8_000, frame=0xC0, components=3, sampling=0x44), 192_000_000)
    out.kind = "WebP"
    add("plain.webp", webp.plain(5_790, 5_790))
    add("largest.webp", webp.plain(16_383, 16_383))
    add("largest-megabyte.webp", webp.plain(16_383, 16_383, padding=1_000_000))
    add("transforms.webp", webp.plain(3_540, 3_540, (0, 1, 2)), 3_540 ** 2 * 3)
    add("palette.webp", webp.plain(3_540, 3_540, (3,)), 3_540 ** 2 * 3)
    add("cached.webp", webp.cached(3_540, 3_540), 3_540 ** 2 * 3)
    add("65536-groups.webp", webp.groups(1_024))
    add("2401-groups.webp", webp.groups(196), 196 ** 2 * 3)
    add("2401-pairs.webp", webp.groups(196, pairs=True), 196 ** 2 * 3)
    add("channels.webp", fill(lambda n: webp.channels(3_540, 3_540, n)), 3_540 ** 2 * 3)
    add("channels-lossy.webp", fill(lambda n: webp.channels(3_160, 3_160, n, lossy=True)), 3_160 ** 2 * 3)
    out.kind = "image at the limits"
    add("megabyte.webp", webp.plain(3_540, 3_540, (0, 1, 2), padding=1_000_000), 3_540 ** 2 * 3)
    add("megabyte.png", png(9_160, 9_160, extra=chunk(b"quRN", bytes(650_000))), 9_160 ** 2 * 3)
    add("megabyte-16.png", png(9_000, 9_000, depth=16, kind=0, extra=chunk(b"quRN", bytes(300_000))), 9_000 ** 2 * 3)
    add("megabyte.jpg", jpeg(9_160, 9_160, frame=0xC0, components=3, sampling=0x22, entropy=b"\0" * 1_040_000), 9_160 ** 2 * 3)
    add("pixels.png", png(5_790, 5_790), 5_790 ** 2 * 3)
    add("pixels-interlaced.png", png(5_790, 5_790, interlaced=True), 5_790 ** 2 * 3)
    add("pixels-rgba16.png", png(5_300, 5_300, depth=16, kind=6), 5_300 ** 2 * 3)
    add("sides.png", png(65_535, 500), 65_535 * 500 * 3)
    add("tall-sides.png", png(500, 65_535), 65_535 * 500 * 3)
    add("pixels.jpg", jpeg(5_790, 5_790, frame=0xC0, entropy=b"\0" * 300_000), 5_790 ** 2 * 3)
    add("pixels-colour.jpg", jpeg(5_790, 5_790, frame=0xC0, components=3, sampling=0x22, entropy=b"\0" * 300_000), 5_790 ** 2 * 3)
    add("coefficients.jpg", jpeg(4_950, 4_950, scans=20), 4_950 ** 2 * 3)
    add("coefficients-colour.jpg", jpeg(2_890, 2_890, components=3, scans=40), 2_890 ** 2 * 3)
    add("blocks.jpg", jpeg(2_300, 2_300, scans=98), 2_300 ** 2 * 3)
    add("blocks-megabyte.jpg", jpeg(2_800, 2_800, scans=99, before=segment(0xE1, b"\0" * 60_000) * 17), 2_800 ** 2 * 3)
    add("arithmetic.jpg", jpeg(5_790, 5_790, frame=0xC9), 5_790 ** 2 * 3)
    add("arithmetic-progressive.jpg", jpeg(4_950, 4_950, frame=0xCA, scans=20), 4_950 ** 2 * 3)
    many = out.folder / "many"
    many.mkdir(exist_ok=True)
    for index in range(20_000):
        (many / f"{index * 7919 % 20_000:05d}.png").write_bytes(b"\x89PNG")
    out.kind = "folder"
    for extra in ([], ["--skip-bad-images"]):
        out.add("broken" + "".join(extra), b"", "embed", package, str(many), "-o", str(out.folder / "many.npy"), *extra)
    return out.list
