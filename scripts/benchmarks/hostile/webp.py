"""Hostile WebP images: lossless ones (RFC 9649, section 3), whose structure may take much more memory than their pixels."""

import struct


class Bits:
    """Bits, the lowest of each byte first."""

    def __init__(self):
        self.value, self.count, self.bytes = 0, 0, bytearray()

    def add(self, value, count):
        self.value |= value << self.count
        self.count += count
        while self.count >= 8:
            self.bytes.append(self.value & 0xFF)
            self.value >>= 8
            self.count -= 8
        return self

    def code(self, value, count=8):
        """A prefix code, whose highest bit comes first."""
        return self.add(int(format(value, f"0{count}b")[::-1], 2), count)

    def single(self):
        """A prefix code for the symbol 0 alone, which takes no bits."""
        return self.add(0b0001, 4)

    def singles(self, count=5):
        """Codes of a group, or what is left of one, each for the symbol 0 alone."""
        for _ in range(count):
            self.single()
        return self

    def pair(self):
        """A prefix code for the symbols 0 and 255."""
        return self.add(0b111, 3).add(0, 8).add(255, 8)

    def all_bytes(self):
        """A prefix code in which each of 256 symbols takes 8 bits."""
        self.add(0, 1).add(12 - 4, 4)
        for position in range(12):
            self.add(1 if position == 11 else 0, 3)
        return self.add(1, 1).add(3, 3).add(256 - 2, 8)

    def done(self):
        return bytes(self.bytes) + (bytes([self.value]) if self.count else b"")


def header(width, height):
    return Bits().add(0x2F, 8).add(width - 1, 14).add(height - 1, 14).add(0, 1).add(0, 3)


def chunk(kind, data):
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def riff(kind, data, padding=0):
    body = b"WEBP" + chunk(kind, data)
    if padding:
        body += b"quRN" + struct.pack("<I", padding) + bytes(padding)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def plain(width, height, transforms=(), padding=0):
    """One colour in every pixel, which takes no bits."""
    bits = header(width, height)
    for kind in transforms:
        bits.add(1, 1).add(kind, 2)
        if kind in (0, 1):
            bits.add(0, 3)
        if kind == 3:
            bits.add(0, 8)
        if kind != 2:
            bits.add(0, 1).singles()
    bits.add(0, 1).add(0, 1).add(0, 1).singles()
    return riff(b"VP8L", bits.done(), padding)


def groups(side, pairs=False):
    """As many groups of prefix codes as there are blocks of 4 x 4 pixels."""
    bits = header(side, side).add(0, 1).add(0, 1).add(1, 1).add(0, 3)
    blocks = (side + 3) // 4
    bits.add(0, 1).all_bytes().all_bytes().singles(3)
    for index in range(blocks * blocks):
        bits.code(index & 0xFF).code(index >> 8 & 0xFF)
    for _ in range(min(blocks * blocks, 1 << 16)):
        for _ in range(5):
            bits.pair() if pairs else bits.single()
    for _ in range(side * side if pairs else 0):
        bits.add(0, 4)
    return riff(b"VP8L", bits.done())


def cached(width, height):
    """The largest cache of colours in the image and in those of its transforms."""
    bits = header(width, height)
    for kind in (0, 1):
        bits.add(1, 1).add(kind, 2).add(0, 3).add(1, 1).add(11, 4).singles()
    bits.add(0, 1).add(1, 1).add(11, 4).add(0, 1).singles()
    return riff(b"VP8L", bits.done())


def alpha():
    """A chunk of an alpha channel, whose images have a sixteenth of its pixels each: of two transforms, and of the groups' numbers."""
    bits = Bits().add(1, 8)
    for kind in (0, 1):
        bits.add(1, 1).add(kind, 2).add(0, 3).add(0, 1).singles()
    bits.add(0, 1).add(0, 1).add(1, 1).add(0, 3)
    bits.add(0, 1).singles().singles()
    return chunk(b"ALPH", bits.done())


def channels(width, height, count, lossy=False):
    """Many alpha channels: behind a lossless image, or before a lossy one, which has the last of them."""
    if not lossy:
        body = plain(width, height)[8:] + alpha() * count
    else:
        extended = struct.pack("<I", 0x10) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        # A key frame that is shown. Zeros, 100,000 in its first partition, are enough for the blocks of 13 million pixels.
        frame = (0x10 | 100_000 << 5).to_bytes(3, "little") + b"\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(160_000)
        body = b"WEBP" + chunk(b"VP8X", extended) + alpha() * count + chunk(b"VP8 ", frame)
    return b"RIFF" + struct.pack("<I", len(body)) + body
