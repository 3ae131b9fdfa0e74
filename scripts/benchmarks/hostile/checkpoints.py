"""Hostile checkpoints: safetensors, pickles in all containers, MindSpore, NumPy."""

import io
import json
import struct
import tarfile
import zipfile

from case import Cases, fill
from protobuf import field, message


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape=(0,), start=0, end=0, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def pickle_names(count, value=b"K\x01"):
    """A dictionary of many names."""
    items = b"".join(b"X" + struct.pack("<I", 7) + b"n%06d" % i + value for i in range(count))
    return b"\x80\x02}(" + items + b"u."


STORAGE = b"ctorch._utils\n_rebuild_tensor_v2\nq\x01"


def tensor_call(storage, shape=b")", stride=b")"):
    return b"h\x01((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX" + struct.pack("<I", len(storage)) + storage \
        + b"X\x03\x00\x00\x00cpuK\x00tQK\x00" + shape + stride + b"\x89}tR"


def pickle_tensors(count, memoised=False):
    """A state dict of many tensors, of one empty storage."""
    items = []
    for i in range(count):
        value = tensor_call(b"0", b"(K\x00t", b"(K\x01t")
        if memoised:
            value = value + b"q\x02" if i == 0 else b"h\x02"
        items.append(b"X" + struct.pack("<I", 9) + b"a%06d.w" % i + value)
    return b"\x80\x02" + STORAGE + b"0}(" + b"".join(items) + b"u."


def doubling(count):
    """A tuple of two tuples of two tuples: exponentially many paths lead to its end."""
    steps = b"".join(b"r" + struct.pack("<I", i) + b"j" + struct.pack("<I", i) + b"\x86" for i in range(count))
    return b"\x80\x02}X\x01\x00\x00\x00a)" + steps + b"s."


def nested_dictionaries(count, key=b"k"):
    name = b"X" + struct.pack("<I", len(key)) + key
    return b"\x80\x02" + (b"}" + name) * count + b"N" + b"s" * count + b"."


def wide_dictionaries(count):
    """Dictionaries of dictionaries, as many as there may be."""
    items = b"".join(
        b"X" + struct.pack("<I", 6) + b"%06d" % i + b"}X\x01\x00\x00\x00w" + (tensor if i else first) + b"s"
        for i, (tensor, first) in enumerate([(b"h\x02", tensor_call(b"0", b"(K\x00t", b"(K\x01t") + b"q\x02")] * count))
    return b"\x80\x02" + STORAGE + b"0}(" + items + b"u."


def shared_class_names(count):
    """Many dictionaries whose class names are one long list."""
    names = b"](" + b"".join(b"X\x04\x00\x00\x00%04d" % i for i in range(2000)) + b"eq\x03"
    items = b"".join(b"X" + struct.pack("<I", 6) + b"%06d" % i + b"}X\x07\x00\x00\x00classesh\x03s" for i in range(count))
    return b"\x80\x02" + names + b"0}(" + items + b"u."


def torch_zip(pickle, members=(("data/0", b""),), compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle)
        for name, data in members:
            archive.writestr(f"archive/{name}", data)
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def legacy(pickle, keys=(b"0",), counts=(0,)):
    head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + b"\x80\x02M\xe9\x03."
    system = b"\x80\x02}(X\x10\x00\x00\x00protocol_versionM\xe9\x03X\x0d\x00\x00\x00little_endian\x88" \
        b"X\x0a\x00\x00\x00type_sizes}(X\x05\x00\x00\x00shortK\x02X\x03\x00\x00\x00intK\x04X\x04\x00\x00\x00longK\x08uu."
    names = b"\x80\x02](" + b"".join(b"X" + struct.pack("<I", len(key)) + key for key in keys) + b"e."
    return head + system + pickle + names + b"".join(struct.pack("<q", count) for count in counts)


def torch_tar(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def mindspore(count, name=lambda i: b"p%06d.w" % i, dims=field(1, 0)):
    tensor = dims + field(2, b"Float32") + field(3, b"")
    return b"".join(message(1, field(1, name(i)) + message(2, tensor)) for i in range(count))


def numpy_array(shape, data=b""):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def cases(folder, root):
    out = Cases(folder, "safetensors")
    out.add("names.safetensors", fill(lambda n: safetensors({f"{i:x}": entry() for i in range(n)})))
    out.add("modules.safetensors", fill(lambda n: safetensors({f"{i:x}.weight": entry() for i in range(n)})))
    out.add("bottlenecks.safetensors", fill(lambda n: safetensors(
        {f"layer1.{i}.conv{k}.weight": entry((1, 1, 1, 0)) for i in range(n) for k in (1, 2, 3)})))
    out.add("prefixes.safetensors", fill(lambda n: safetensors({f"{i:x}.layer1.0.conv1.weight": entry() for i in range(n)})))
    out.add("dotted.safetensors", fill(lambda n: safetensors({"a." * i + "weight": entry() for i in range(n)})))
    out.add("classifiers.safetensors", fill(lambda n: safetensors({f"fc{i:x}.weight": entry((0, 0)) for i in range(n)})))
    out.add("heads.safetensors", fill(lambda n: safetensors({f"{i:x}.classifier.bias": entry() for i in range(n)})))
    out.add("pools.safetensors", fill(lambda n: safetensors({f"pool{i:x}.p": entry() for i in range(n)})))
    stored = (root / "fixtures/onnx/tiny.safetensors").read_bytes()
    header = json.loads(stored[8:8 + struct.unpack_from("<Q", stored)[0]])
    names = [name for name in header if name != "__metadata__"]
    out.add("trunks.safetensors", fill(lambda n: safetensors(
        {f"{i:x}.{name}": entry((0,) * len(header[name]["shape"])) for i in range(n) for name in names})))
    def beside(make):
        """The tensors of a network, and many others."""
        others = lambda n: {make(i): entry() for i in range(n)}
        data = stored[8 + struct.unpack_from("<Q", stored)[0]:]
        own = {name: header[name] for name in names}
        end = max(item["data_offsets"][1] for item in own.values())
        return fill(lambda n: safetensors({**own, **{name: entry((0,), end, end) for name in others(n)}}, data))
    out.add("outside.safetensors", beside(lambda i: f"m{i:x}.weight"))
    out.add("unexpected.safetensors", beside(lambda i: f"layer1.{i:x}.unknown"))
    out.add("many-heads.safetensors", beside(lambda i: f"head.{i:x}.weight"))
    out.add("deep-names.safetensors", beside(lambda i: "a." * 400 + f"{i:x}.weight"))
    out.add("moving.safetensors", fill(lambda n: safetensors({f"{i:x}.{k}": entry() for i in range(n) for k in ("gamma", "moving_mean")})))
    out.add("metadata.safetensors", fill(lambda n: safetensors({"__metadata__": {f"{i:x}": "" for i in range(n)}})))
    out.add("nested.safetensors", safetensors(b'{"a":' + b"[" * 1_000_000))
    out.add("axes.safetensors", safetensors(b'{"a":{"dtype":"F32","shape":[' + b"1," * 500_000 + b"1]}}"))
    out.add("long-name.safetensors", safetensors({"n" * 1_000_000: entry()}))
    out.add("same-name.safetensors", fill(lambda n: safetensors(b"{" + b",".join([b'"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'] * n) + b"}")))
    out.add("huge-header.safetensors", struct.pack("<Q", 99_999_999) + b"{")
    out.kind = "safetensors index"
    out.add("index.json", fill(lambda n: json.dumps(
        {"weight_map": {f"{i:x}": f"{i:x}.safetensors" for i in range(n)}}).encode()))

    out.kind = "pickle"
    out.add("names.pt", torch_zip(fill(pickle_names)))
    out.add("tensors.pt", torch_zip(fill(pickle_tensors)))
    out.add("same-tensor.pt", torch_zip(fill(lambda n: pickle_tensors(n, memoised=True))))
    out.add("tuples.pt", torch_zip(b"\x80\x02)" + b"\x85" * 1_000_000 + b"."))
    out.add("marks.pt", torch_zip(b"\x80\x02" + b"(" * 1_000_000))
    out.add("lists.pt", torch_zip(b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b"."))
    out.add("stack.pt", torch_zip(b"\x80\x02" + b"N" * 1_000_000 + b"."))
    out.add("memo.pt", torch_zip(fill(lambda n: b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", i) for i in range(n)) + b".")))
    out.add("doubling.pt", torch_zip(fill(doubling)))
    out.add("nested.pt", torch_zip(fill(nested_dictionaries)))
    out.add("wide.pt", torch_zip(fill(wide_dictionaries)))
    out.add("classes.pt", torch_zip(fill(shared_class_names)))
    out.add("duplicates.pt", torch_zip(b"\x80\x02N" + b"2" * 100_000 + b"."))
    out.add("appended.pt", torch_zip(b"\x80\x02](" + b"N" * 100_000 + b"l" + b"2e" * 300_000 + b"."))
    out.add("digits.pt", torch_zip(b"\x80\x02L" + b"9" * 900_000 + b"L\n."))
    out.add("globals.pt", torch_zip(fill(lambda n: b"\x80\x02" + b"".join(b"cm%d\nf\n0" % i for i in range(n)) + b"N.")))
    expanded = b"(" + b"J\xff\xff\xff\x7f" * 2 + b"t"
    out.add("expanded.pt", torch_zip(b"\x80\x02" + STORAGE + b"0}(X\x01\x00\x00\x00w" + tensor_call(b"0", expanded, b"(K\x00K\x00t") + b"u.", [("data/0", bytes(4))]))
    out.add("same-name.pt", torch_zip(fill(lambda n: b"\x80\x02X" + struct.pack("<I", 100_000) + b"n" * 100_000 + b"q\x000}X\x07\x00\x00\x00classes](" + b"h\x00" * n + b"es.")))
    out.add("unicode.pt", torch_zip(b"\x80\x02}(V" + b"\\u0041" * 160_000 + b"\nNu."))
    out.kind = "zip"
    out.add("members.pt", fill(lambda n: torch_zip(pickle_names(1), [(f"data/{i}", b"") for i in range(n)]), 1_000_000))
    out.add("deflated.pt", torch_zip(b"\x80\x02" + b"N" * 100_000_000 + b".", compression=zipfile.ZIP_DEFLATED))
    out.kind = "legacy stream"
    out.add("storages.pth", fill(lambda n: legacy(pickle_tensors(1), [b"%d" % i for i in range(n)], [0] * n)))
    out.add("count.pth", legacy(pickle_tensors(1), [b"0"], [1 << 40]))
    out.add("nested.pth", legacy(fill(nested_dictionaries, 900_000)))
    out.kind = "tar"
    out.add("members.tar", fill(lambda n: torch_tar([(f"m{i}", b"") for i in range(n)])))
    out.add("storages.tar", torch_tar([("storages", b"\x80\x02\x8a\x04\xff\xff\xff\x7f."), ("tensors", b"\x80\x02K\x00."), ("pickle", b"\x80\x02}.")]))
    out.add("tensors.tar", torch_tar([("storages", b"\x80\x02K\x00."), ("tensors", b"\x80\x02\x8a\x04\xff\xff\xff\x7f."), ("pickle", b"\x80\x02}.")]))
    out.kind = "MindSpore"
    out.add("parameters.ckpt", fill(mindspore))
    out.add("states.ckpt", fill(lambda n: mindspore(n, lambda i: (b"moments." if i % 2 else b"") + b"p%06d.w" % (i // 2))))
    out.add("same.ckpt", fill(lambda n: mindspore(n, lambda i: b"p")))
    out.add("axes.ckpt", mindspore(1, dims=field(1, b"\x01" * 1_000_000)))
    out.kind = "embeddings"
    files = [f"{i:x}" for i in range(50_000)]
    out.add("files.safetensors", fill(lambda n: safetensors(
        {"__metadata__": {"files": json.dumps(files[:n])}, "normalized_embedding": entry((n, 0))})),
        "compare", "FILE", "FILE")
    out.add("shape.npy", numpy_array("(" + "1, " * 20_000 + ")"), "compare", "FILE", "FILE")
    return out.list
