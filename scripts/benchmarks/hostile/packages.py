"""Hostile packages and patches, with correct hashes."""

import hashlib
import json
import struct
import sys

from case import Cases, unzstd, zstd

GRAPH, RUNTIME, LABELS, TENSOR, SELF_TEST, METADATA = 1, 2, 3, 4, 7, 255


def aligned(count):
    return -(-count // 64) * 64


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(data)) + data


def package(sections):
    """A package of sections, each (kind, contents, whether to compress)."""
    body, entries, offset = b"", [], 192
    for kind, raw, compress in sections:
        stored = zstd(raw) if compress else raw
        if len(raw) - 4096 > 32 * len(stored):
            stored, compress = raw, False
        critical = kind in (1, 2, 4, 5, 6)
        digest = hashlib.sha256(raw).digest()
        entries.append((kind, critical, raw, struct.pack(
            "<BBB5xQQQ", kind, int(compress), int(critical), offset, len(stored), len(raw))
            + digest + hashlib.sha256(stored).digest()))
        body += stored + b"\0" * (aligned(len(stored)) - len(stored))
        offset += aligned(len(stored))
    index = b"".join(entry[3] for entry in entries)
    content = b"quern content 1\n" + b"".join(
        struct.pack("<BQ", kind, len(raw)) + hashlib.sha256(raw).digest() for kind, critical, raw, _ in entries if critical)
    header = b"\x89QUERN\r\n" + struct.pack("<HHIQQQQ", 1, 0, 160, 0, offset + len(index), offset, len(index)) + b"\0" * 16
    header += hashlib.sha256(index).digest() + hashlib.sha256(content).digest()
    header += hashlib.sha256(header).digest()
    return header + b"\0" * (192 - len(header)) + body + index


def sections(data):
    offset, length = struct.unpack_from("<QQ", data, 32)
    found = []
    for start in range(offset, offset + length, 96):
        kind, encoding, flags, position, stored, raw = struct.unpack_from("<BBB5xQQQ", data, start)
        found.append((kind, data[position:position + stored], raw, encoding == 1))
    return found


def node(name, kind="relu", attributes=(), inputs=(0,), constants=b"\0\0\0\0", output=b"\1"):
    return string(name) + string(kind) + struct.pack("<I", len(attributes)) + b"".join(
        string(key) + value for key, value in attributes) + struct.pack("<I", len(inputs)) + struct.pack(
        f"<{len(inputs)}I", *inputs) + output + constants


def graph(nodes, outputs, count=None, architecture="hostile", pixels=b"\1"):
    head = string(architecture) + struct.pack("<6f", 0, 0, 0, 1, 1, 1) + pixels
    return head + struct.pack("<I", len(nodes) if count is None else count) + b"".join(nodes) + struct.pack("<I", len(outputs)) + b"".join(
        string(name) + struct.pack("<I", value) for name, value in outputs)


def runtime(classes=0):
    return struct.pack("<IIIfB3x", 32, classes, 3, 1, 1)


def noise(count, levels=4):
    """Bytes that compress by less than 32 times."""
    out, state = bytearray(), b"0"
    while len(out) < count:
        state = hashlib.sha256(state).digest()
        out += bytes(byte % levels for byte in state)
    return bytes(out[:count])


def nested_values(size):
    """Names and arrays of about `size` bytes: as many values as possible, at several depths."""
    for depth in (1, 12, 60):
        for name, value in [("arrays", b"[" * depth + b"]" * depth), ("objects", b'{"":' * depth + b"0" + b"}" * depth)]:
            yield f"{name}-{depth}", b"[" + b",".join([value] * (size // (len(value) + 1))) + b"]"
    for name, value in [("numbers", b"0.5"), ("strings", b'""'), ("empty", b"{}")]:
        yield f"deep-{name}", b"[" * 12 + b",".join([value] * (size // (len(value) + 1))) + b"]" * 12


def padded(raw, salt):
    """Whether to compress: as far as the format allows."""
    return len(raw) - 4096 <= 32 * len(zstd(raw))


def metadata_of(report):
    return json.dumps(report, separators=(",", ":")).encode()


def cases(folder, root):
    out = Cases(folder, "package")
    ending = [node("pool", "channelwise_mean_pooling")]

    def add(name, raw, *more, classes=0, command=("inspect", "FILE")):
        parts = [(GRAPH, raw, padded(raw, 0)), (RUNTIME, runtime(classes), False), *more]
        data = package(parts)
        if len(data) > 1 << 20:
            print(f"{name} is left out: {len(data)} bytes", file=sys.stderr)
            return
        out.add(name, data, *command)

    plain = graph([node("r")], [("embedding", 1)])
    add("outputs.quern", graph([node("r")], [(f"{i:05d}", 1) for i in range(60_000)]))
    add("many-outputs.quern", graph([node("r")], [(f"{i * 2654435761 % 2**32:08x}", 1) for i in range(250_000)]))
    add("nodes.quern", graph([node(f"{i * 2654435761 % 2**32:x}", inputs=(i,)) for i in range(65_536)], [("embedding", 65_536)]))
    for name, last in [("chain", node("pool", "channelwise_mean_pooling", inputs=(16_000,))), ("row", node("r", inputs=(16_000,)))]:
        add(f"{name}.quern", graph([node(f"{i * 2654435761 % 2**32:x}", inputs=(i,)) for i in range(16_000)] + [last], [("embedding", 16_001)]),
            command=("inspect", "FILE", "--check"))
    add("fan.quern", graph(
        [node(f"{i * 2654435761 % 2**32:x}", inputs=(0,)) for i in range(60_000)] + [node("c", "concatenation", inputs=range(1, 60_001))],
        [("embedding", 60_001)]))
    add("inputs.quern", graph([node("c", "concatenation", inputs=[0] * 240_000)], [("embedding", 1)]))
    add("attributes.quern", graph(
        [node("r", attributes=[(f"{i:06x}", b"\1" + struct.pack("<q", hash(i))) for i in range(300_000)])], [("embedding", 1)]))
    add("numbers.quern", graph([node("r", attributes=[("a", b"\4" + struct.pack("<I", 120_000) + noise(960_000, 256))])], [("embedding", 1)]))
    add("graph-16m.quern", graph([node("r", attributes=[("a", b"\4" + struct.pack("<I", 2_000_000) + noise(4_000_000, 2) + b"\0" * 12_000_000)])], [("embedding", 1)]))
    names = sorted({f"{i * 2654435761 % 2**32:08x}" for i in range(500_000)})
    add("attributes-16m.quern", graph([node("r", attributes=[(name, b"\1" + struct.pack("<q", 0)) for name in names])], [("embedding", 1)]))
    # Lists of a million channels in three numbers.
    million = [(key, b"\4" + struct.pack("<Iq", 1, number)) for key, number in [("counts", 1 << 20), ("first", 0), ("steps", 1)]]
    add("channels.quern", graph(
        [node(f"{i:x}", "channel_selection", million, (i,)) for i in range(7_000)], [("embedding", 7_000)]))
    labels = struct.pack("<I", 1 << 20) + b"".join(string(b"%x" % (i % 256)) for i in range(1 << 20))
    add("labels.quern", plain, (LABELS, labels, padded(labels, 0)), classes=1 << 20)
    long = struct.pack("<I", 40_000) + b"".join(string(f"{i:x}") for i in range(40_000))
    add("classes.quern", plain, (LABELS, long, False), classes=40_000)
    shared = b"".join([string("weight"), struct.pack("<IBB", 0, 1, 2), struct.pack("<2Q", 300, 300)])
    add("shared.quern", graph([node(f"{i:x}", "linear", inputs=(i,), constants=struct.pack("<I", 1) + shared) for i in range(4_000)],
                              [("embedding", 4_000)]), (TENSOR, noise(360_000, 256), False))
    tensors = [(TENSOR, struct.pack("<I", i), False) for i in range(6_400)]
    constants = struct.pack("<I", len(tensors)) + b"".join(
        string(f"{i:05d}") + struct.pack("<IBB", i, 6, 1) + struct.pack("<Q", 4) for i in range(len(tensors)))
    add("sections.quern", graph([node("r", constants=constants)], [("embedding", 1)]), *tensors, command=("inspect", "FILE", "--check"))
    expanded = [(TENSOR, bytes([i]) * 8 + noise(1 << 20, 2) , True) for i in range(7)]
    constants = struct.pack("<I", len(expanded)) + b"".join(
        string(f"{i:05d}") + struct.pack("<IBB", i, 6, 1) + struct.pack("<Q", len(expanded[i][1])) for i in range(len(expanded)))
    add("expanding.quern", graph([node("r", constants=constants)], [("embedding", 1)]), *expanded, command=("inspect", "FILE", "--check"))
    for name, text in [
        ("nested", b"[" * 900_000), ("objects", b'{"a":' * 180_000), ("numbers", b"[" + b"0," * 450_000 + b"0]"),
        ("keys", b"{" + b",".join(b'"%x":0' % i for i in range(80_000)) + b"}"),
        ("strings", b"[" + b'"",' * 300_000 + b'""]'),
        ("16m", b"[" + b",".join(b"%d" % (i * 2654435761 % 10**9) for i in range(1_500_000)) + b"]"),
    ]:
        add(f"metadata-{name}.quern", plain, (METADATA, text, padded(text, 0) and len(text) > 1000))
    report = json.loads((root / "fixtures/fidelity/passing-deterministic.json").read_text())
    head, tail = json.dumps({"source": report["reference"], "calibration": {"a": "@"}}).encode().split(b'"@"')
    for name, data in nested_values(1_000_000):
        add(f"calibration-{name}.quern", plain, (METADATA, head + data + tail, False))
    add_texts(add, plain, head, tail, out.folder)
    add_self_tests(out, root)
    out.kind = "patch"
    old = (root / "fixtures/patches/new.quern").read_bytes()
    for name, count in [("entries", 400_000), ("copies", 30_000)]:
        directory = b"".join(
            struct.pack("<8BIIQQ", 4, 1, 0, 0, 1, 0, 0, 0, 0xFFFFFFFF, 0, 0, 0) for _ in range(count))
        stored = zstd(directory)
        if len(directory) > 32 * len(stored):
            stored = directory if len(directory) < 1_000_000 else None
        if stored is None:
            directory = b"".join(struct.pack(
                "<8BIIQQ", 4, 1, 0, 0, 1, 0, 0, 0, 0xFFFFFFFF, 0, 0, i * 2654435761 % 7) for i in range(count))
            stored = zstd(directory)
        out.add(f"{name}.qpatch", patch(old, directory, stored), "patch", "apply", str(root / "fixtures/patches/new.quern"), "FILE",
                "-o", str(out.folder / f"{name}.applied.quern"))
    zeros = zstd(b"\0" * 30_000_000)
    entry = struct.pack("<8BIIQQ", 4, 1, 0, 0, 1, 0, 1, 0, 0xFFFFFFFF, 0, 30_000_000, len(zeros))
    out.add("expanding.qpatch", patch(old, entry, entry, zeros), "patch", "apply", str(root / "fixtures/patches/new.quern"), "FILE",
            "-o", str(out.folder / "expanding.applied.quern"))
    add_expanding_patches(out, root)
    return out.list


def long_text(count, share=0.07):
    """Hexadecimal digits, of which all but a share are the same, so that they compress by less than 32 times."""
    digits = hashlib.shake_256(b"long").hexdigest(int(count * share / 2))
    return (digits + "a" * (count - len(digits))).encode()


def add_texts(add, plain, head, tail, folder):
    """Texts as long as their sections may be, and as long as this version takes them."""
    size = (16 << 20) - 4096
    pooling = [("append_one", b"\1" + struct.pack("<q", 0)), ("exponent", b"\2" + struct.pack("<d", 3))]
    hidden = "\u202e".encode() * ((size - 2_000_000) // 3) + long_text(2_000_000, 0.6)
    for name, text in [("name", long_text(size)), ("hidden", hidden)]:
        for part, label, architecture in [("node", text, b"hostile"), ("architecture", "pool", text)]:
            raw = graph([node(label, "gem_pooling", pooling)], [("embedding", 1)], architecture=architecture)
            add(f"{part}-{name}.quern", raw)
            if part == "node":
                add(f"{part}-{name}-export.quern", raw, command=("export", "FILE", "-o", str(folder / f"{name}.onnx")))
            else:
                add(f"{part}-{name}-diff.quern", raw, command=("diff", "FILE", "FILE"))
    # An export repeats the names of sums with remainders most.
    plain_sum, levels = [("activation", b"\3" + string("none"))], struct.pack("<fB", 1, 0)
    chain = [node(b"%05d" % i + long_text(4000, 0.04), "addition", plain_sum, (i, i), output=b"\3" + levels) for i in range(128)]
    chain.append(node("pool", "gem_pooling", pooling, (128,)))
    for command in [("inspect", "FILE"), ("diff", "FILE", "FILE"), ("export", "FILE", "-o", str(folder / "long.onnx"))]:
        add(f"long-names-{command[0]}.quern", graph(chain, [("embedding", 129)], pixels=b"\2" + levels), command=command)
    # Each of them is exported as several nodes.
    for count in (4000, 15_999):
        sums = [node(f"{i:05d}", "addition", plain_sum, (i, i), output=b"\3" + levels) for i in range(count)]
        sums.append(node("pool", "gem_pooling", pooling, (count,)))
        add(f"{count}-sums-export.quern", graph(sums, [("embedding", count + 1)], pixels=b"\2" + levels),
            command=("export", "FILE", "-o", str(folder / "sums.onnx")))
    for count, share in [(838_000, 0.075), (195_000, 0.52)]:
        words = [long_text(16, 1).decode()] + [f"{hash_of(i)}" if i < count * share else f"{i % 7:016d}" for i in range(count - 1)]
        labels = struct.pack("<I", count) + b"".join(string(word) for word in words)
        for command in [("inspect", "FILE"), ("diff", "FILE", "FILE")]:
            add(f"labels-{count}-{command[0]}.quern", plain, (LABELS, labels, True), classes=count, command=command)
    for count in (size - 4096, 3_900_000):
        text = long_text(count, 0.07 if count > 4 << 20 else 0.48)
        add(f"metadata-string-{count}.quern", plain, (METADATA, head + b'"' + text + b'"' + tail, True))
    text = long_text(1_900_000, 1) + "\u202e".encode() * 630_000
    add("metadata-hidden.quern", plain, (METADATA, head + b'"' + text + b'"' + tail, True))


def hash_of(number):
    return hashlib.sha256(b"%d" % number).hexdigest()[:16]


def add_self_tests(out, root):
    """Self-tests that ask for far more than the network of a package."""
    converted = sections((root / "fixtures/packages/version-1.0-converted.quern").read_bytes())
    for name, images, side in [("huge", 16, 8192), ("one", 1, 8192)]:
        record = string("quern-1") + struct.pack("<QIIII", 0, images, side, side, 1) + struct.pack("<IBQ", 1, 2, 0)
        parts = [(kind, record if kind == SELF_TEST else contents(stored, raw, compressed), compressed and kind != SELF_TEST)
                 for kind, stored, raw, compressed in converted]
        for command in [("selftest", "FILE"), ("inspect", "FILE", "--check")]:
            out.add(f"selftest-{name}-{command[0]}.quern", package(parts), *command)


def contents(stored, length, is_compressed):
    return unzstd(stored, length) if is_compressed else stored


def add_expanding_patches(out, root):
    """Patches whose sections are as long as payloads may expand, or as all of them together may."""
    path = root / "fixtures/patches/new.quern"
    old = path.read_bytes()
    block = hashlib.shake_256(b"block").digest(980_000)
    for name, count, length in [("repeating", 1, 30_000_000), ("repeating-4", 4, 7_700_000), ("allowed", 1, 8_400_000), ("allowed-4", 4, 2_100_000)]:
        part = block[:len(block) // count]
        frame = zstd((part * (length // len(part) + 1))[:length], 19)
        entries = b"".join(
            struct.pack("<8BIIQQ", 4, 1, 1, 0, 1, 0, 1, 0, 0xFFFFFFFF, 0, length, len(frame)) for _ in range(count))
        out.add(f"{name}.qpatch", patch(old, entries, entries, frame * count), "patch", "apply", str(path), "FILE",
                "-o", str(out.folder / f"{name}.applied.quern"))


def patch(old, directory, stored, payload=b""):
    body = stored + payload
    identity = hashlib.sha256(old).digest() + old[96:128]
    head = b"\x89QPATC\r\n" + struct.pack("<HHI", 1, 0, 256) + struct.pack(
        "<5QII", 256 + len(body), len(directory), len(stored), len(old), len(old), 10505, 0)
    head += identity + identity + hashlib.sha256(body).digest()
    return head + hashlib.sha256(head).digest() + body
