"""Hostile ONNX models."""

import struct

from case import Cases, fill
from protobuf import field, message

FLOAT, INT64 = 1, 7


def attribute(name, value):
    if isinstance(value, int):
        return message(5, field(1, name) + field(3, value) + field(20, 2))
    if isinstance(value, list):
        return message(5, field(1, name) + b"".join(field(8, item) for item in value) + field(20, 7))
    if isinstance(value, bytes):
        return message(5, field(1, name) + message(6, value) + field(20, 5))
    return message(5, field(1, name) + field(4, value) + field(20, 3))


def node(kind, inputs, outputs, *attributes, domain=""):
    content = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    return content + field(4, kind) + b"".join(attributes) + (field(7, domain) if domain else b"")


def tensor(name, shape, data=b"", kind=FLOAT):
    return b"".join(field(1, extent) for extent in shape) + field(2, kind) + field(8, name) + field(9, data)


def integers(name, *values):
    return tensor(name, [len(values)], struct.pack(f"<{len(values)}q", *values), INT64)


def value(name, shape=None, kind=FLOAT):
    content = field(1, kind)
    if shape is not None:
        content += message(2, b"".join(message(1, field(2 if isinstance(e, str) else 1, e)) for e in shape))
    return field(1, name) + message(2, message(1, content))


def graph(nodes, initializers=(), inputs=None, outputs=("embedding",), extra=b""):
    content = b"".join(message(1, item) for item in nodes) + field(2, "g")
    content += b"".join(message(5, item) for item in initializers)
    for item in inputs if inputs is not None else [value("x", [1, 3, 32, 32])]:
        content += message(11, item)
    return content + b"".join(message(12, value(name)) for name in outputs) + extra


def model(content, functions=(), opsets=(), extra=b""):
    out = field(1, 8) + message(7, content) + message(8, field(2, 17))
    for domain in opsets:
        out += message(8, field(1, domain) + field(2, 1))
    return out + b"".join(message(25, item) for item in functions) + extra


def network(nodes=(), initializers=(), last="x", **other):
    """A network of one pooling, before which there are further nodes."""
    tail = [node("GlobalAveragePool", [last], ["pooled"]), node("Flatten", ["pooled"], ["embedding"])]
    return model(graph(list(nodes) + tail, initializers, **other))


def bomb(chain, *initializers, seed=("ConstantOfShape", ["s"]), shape=(1 << 20,), output="x"):
    """A network whose constants are computed step by step."""
    nodes = [node(seed[0], seed[1], ["c0"])] + chain
    last = f"c{len(chain)}"
    return network(nodes + [node("Add", [output, last], ["sum"])], [integers("s", *shape), *initializers], "sum")


def steps(kind, count, inputs=lambda i: [f"c{i}", f"c{i}"], *attributes):
    return [node(kind, inputs(i), [f"c{i + 1}"], *attributes) for i in range(count)]


def function(name, nodes, inputs=("a",), outputs=("b",)):
    content = field(1, name) + b"".join(field(4, item) for item in inputs) + b"".join(field(5, item) for item in outputs)
    return content + b"".join(message(7, item) for item in nodes) + message(9, field(2, 17)) + field(10, "f")


def doubling_functions(depth, width=2):
    functions = [function("f0", [node("Relu", ["a"], ["b"])])]
    for level in range(1, depth):
        body = [node(f"f{level - 1}", ["a" if i == 0 else f"t{i - 1}"], ["b" if i == width - 1 else f"t{i}"], domain="f")
                for i in range(width)]
        functions.append(function(f"f{level}", body))
    tail = [node(f"f{depth - 1}", ["x"], ["y"], domain="f"), node("GlobalAveragePool", ["y"], ["embedding"])]
    return model(graph(tail), functions, ["f"])


def nested_branches(depth):
    inner = graph([node("Identity", ["x"], ["r"])], inputs=[], outputs=["r"])
    for _ in range(depth):
        inner = graph([node("If", ["t"], ["r"], attribute("then_branch", inner), attribute("else_branch", inner))]
                      if len(inner) < 300_000 else
                      [node("If", ["t"], ["r"], attribute("then_branch", inner))], inputs=[], outputs=["r"])
    return inner


def cases(folder, root):
    out = Cases(folder, "ONNX folding")
    million = integers("n", 1 << 20)
    out.add("fold-add.onnx", bomb(steps("Add", 400)))
    out.add("fold-add-2400.onnx", bomb(steps("Add", 2400)))
    out.add("fold-add-30000.onnx", fill(lambda n: bomb(steps("Add", n), shape=(1 << 10,))))
    out.add("fold-shared.onnx", bomb(steps("Add", 2000, lambda i: ["c0", f"c{max(0, i - 1)}"])))
    out.add("fold-concat.onnx", bomb(steps("Concat", 40, lambda i: [f"c{i}", f"c{i}"], attribute("axis", 0)), shape=(1 << 10,)))
    out.add("fold-concat-wide.onnx", bomb(steps("Concat", 1, lambda i: ["c0"] * 60, attribute("axis", 0))))
    out.add("fold-expand.onnx", bomb(steps("Expand", 500, lambda i: ["s", "n"]), million, shape=(1,)))
    out.add("fold-tile.onnx", bomb(steps("Tile", 500, lambda i: ["one", "n"]), million, integers("one", 1)))
    out.add("fold-range.onnx", network(
        [node("Range", ["zero", "n0", "step"], [f"c{i}"]) for i in range(500)] + [node("Sum", [f"c{i}" for i in range(500)], ["d"]),
         node("Add", ["x", "d"], ["sum"])],
        [tensor("zero", [], struct.pack("<q", 0), INT64), tensor("n0", [], struct.pack("<q", 1 << 20), INT64),
         tensor("step", [], struct.pack("<q", 1), INT64)], "sum"))
    out.add("fold-constant.onnx", network(
        [node("ConstantOfShape", ["s"], [f"c{i}"]) for i in range(2000)] + [node("Sum", [f"c{i}" for i in range(2000)], ["d"]),
         node("Add", ["x", "d"], ["sum"])], [integers("s", 1 << 20)], "sum"))
    out.add("fold-gather.onnx", bomb(steps("Gather", 30, lambda i: [f"c{i}", "i"]), integers("i", *[0] * 1024), shape=(1,)))
    out.add("fold-where.onnx", bomb(steps("Where", 300, lambda i: ["c0", f"c{i}", "c0"])))
    out.add("fold-cast.onnx", bomb(steps("Cast", 500, lambda i: [f"c{i}"], attribute("to", INT64))))
    out.add("fold-transpose.onnx", bomb(
        steps("Transpose", 5000, lambda i: [f"c{i}"], attribute("perm", [1, 0])), shape=(1 << 10, 1 << 10)))
    out.add("fold-reshape.onnx", bomb(
        [step for i in range(0, 1000, 2) for step in (
            node("Transpose", [f"c{i}"], [f"c{i + 1}"], attribute("perm", [1, 0])),
            node("Reshape", [f"c{i + 1}", "s"], [f"c{i + 2}"]))], shape=(1 << 10, 1 << 10)))
    out.add("fold-slice.onnx", bomb(
        steps("Slice", 500, lambda i: ["c0", "a", "n"]), integers("a", 0), million))
    out.add("fold-scatter.onnx", bomb(steps("ScatterND", 300, lambda i: [f"c{i}", "z", "u"]),
                                      tensor("z", [1, 1], struct.pack("<q", 0), INT64), tensor("u", [1], b"\0" * 4)))
    out.add("fold-reduce.onnx", bomb(steps("ReduceSum", 800, lambda i: ["c0"])))
    out.add("fold-reduce-rows.onnx", bomb(steps("ReduceSum", 300, lambda i: ["c0", "axis"]), integers("axis", 1), shape=(1 << 20, 1)))
    out.add("fold-norm.onnx", bomb(steps("LpNormalization", 300, lambda i: [f"c{i}"], attribute("axis", 0))))
    out.add("fold-exp.onnx", bomb(steps("Exp", 800, lambda i: [f"c{i}"])))
    out.add("fold-pow.onnx", bomb(steps("Pow", 800, lambda i: [f"c{i}", f"c{i}"])))
    out.add("fold-broadcast.onnx", bomb(steps("Add", 500, lambda i: ["row", "column"]),
                                        tensor("row", [1, 1024], b"\0" * 4096), tensor("column", [1024, 1], b"\0" * 4096)))
    out.add("fold-quantize.onnx", bomb(
        [step for i in range(0, 600, 2) for step in (
            node("QuantizeLinear", [f"c{i}", "scale"], [f"c{i + 1}"]), node("DequantizeLinear", [f"c{i + 1}", "scale"], [f"c{i + 2}"]))],
        tensor("scale", [], struct.pack("<f", 1))))
    out.add("fold-clip.onnx", bomb(steps("Clip", 800, lambda i: [f"c{i}"])))
    out.add("fold-dynamic.onnx", model(graph(
        [node("ConstantOfShape", ["s"], ["c0"])] + steps("Add", 200)
        + [node("Shape", ["x"], ["h"]), node("Gather", ["h", "two"], ["side"]), node("Mul", ["c200", "side"], ["d"]),
           node("ReduceMean", ["d"], ["m"]), node("Add", ["x", "m"], ["sum"]), node("GlobalAveragePool", ["sum"], ["embedding"])],
        [integers("s", 1 << 20), integers("two", 2)], inputs=[value("x", [1, 3, "h", "w"])])))
    out.add("fold-branches.onnx", network(
        [node("If", ["t"], [f"b{i}"], attribute("then_branch", graph(
            [node("ConstantOfShape", ["s"], [f"r{i}"])], inputs=[], outputs=[f"r{i}"]))) for i in range(1000)]
        + [node("Add", ["x", "b0"], ["sum"])],
        [integers("s", 1 << 20), tensor("t", [], b"\1", 9)], "sum"))
    out.add("fold-pad.onnx", bomb(steps("Pad", 200, lambda i: [f"c{i}", "margins"]), integers("margins", 0, 1 << 20)))
    out.add("fold-matmul.onnx", bomb(steps("MatMul", 200), shape=(1 << 10, 1 << 10)))
    out.add("fold-resize.onnx", bomb(steps("Resize", 30, lambda i: [f"c{i}", "", "twice"]), tensor("twice", [1], struct.pack("<f", 2)), shape=(1,)))

    out.kind = "ONNX"
    out.add("chain.onnx", fill(lambda n: network([node("Relu", ["x" if i == 0 else f"{i:x}"], [f"{i + 1:x}"]) for i in range(n)], last=f"{n:x}")))
    out.add("batch-norms.onnx", fill(lambda n: network(
        [node("BatchNormalization", ["x" if i == 0 else f"{i:x}", "one", "one", "one", "one"], [f"{i + 1:x}"]) for i in range(n)],
        [tensor("one", [3], struct.pack("<3f", 1, 1, 1))], f"{n:x}")))
    out.add("convolutions.onnx", fill(lambda n: network(
        [node("Conv", ["x" if i == 0 else f"{i:x}", "w"], [f"{i + 1:x}"]) for i in range(n)],
        [tensor("w", [3, 3, 1, 1], b"\0" * 36)], f"{n:x}")))
    out.add("residuals.onnx", fill(lambda n: network(
        [node("Add", ["x" if i == 0 else f"{i:x}", "x" if i < 2 else f"{i - 1:x}"], [f"{i + 1:x}"]) for i in range(n)], last=f"{n:x}")))
    out.add("fan.onnx", fill(lambda n: network(
        [node("Relu", ["x"], [f"{i:x}"]) for i in range(n)] + [node("Concat", [f"{i:x}" for i in range(n)], ["y"], attribute("axis", 1))], last="y")))
    out.add("sum.onnx", fill(lambda n: network([node("Sum", ["x"] * n, ["y"])], last="y")))
    out.add("dense.onnx", fill(lambda n: network(
        [node("Concat", ["x"] + [f"{k:x}" for k in range(i)], [f"{i:x}"], attribute("axis", 1)) for i in range(n)], last=f"{n - 1:x}")))
    out.add("identities.onnx", fill(lambda n: network([node("Identity", ["x" if i == 0 else f"{i:x}"], [f"{i + 1:x}"]) for i in range(n)], last=f"{n:x}")))
    out.add("unread.onnx", fill(lambda n: network([node("Relu", ["x"], [f"{i:x}"]) for i in range(n)])))
    out.add("outputs.onnx", fill(lambda n: model(graph(
        [node("GlobalAveragePool", ["x"], ["embedding"])], outputs=["embedding"] + ["embedding"] * n))))
    for name in ("embedding", "other"):
        out.add(f"outputs-{name}.onnx", fill(lambda n: model(graph(
            [node("GlobalAveragePool", ["x"], [name])] + [node("Relu", [name], [f"{i:x}"]) for i in range(n)],
            outputs=[name] + [f"{i:x}" for i in range(n)]))))
    # Many outputs, of each of which everything before it is translated, at many sizes where the model leaves them open.
    behind, names = [node("Relu", ["end"], [f"o{i}"]) for i in range(64)], [f"o{i}" for i in range(64)]
    for name, shape in [("fixed", [1, 3, 32, 32]), ("open", [1, 3, "h", "w"])]:
        image = [value("x", shape)]
        out.add(f"edges-{name}.onnx", fill(lambda n: model(graph(
            [node("Relu", ["x"] * n, ["end"])] + behind, inputs=image, outputs=names))))
        for length in (3_000, 16_000):
            chain = [node("Relu", ["x" if i == 0 else f"{i:x}"], ["end" if i == length - 1 else f"{i + 1:x}"]) for i in range(length)]
            out.add(f"behind-{length}-{name}.onnx", model(graph(chain + behind, inputs=image, outputs=names)))
    out.add("outputs-broken.onnx", fill(lambda n: model(graph(
        [node("GlobalAveragePool", ["x"], ["embedding"])] + [node("Nothing", ["x"], [f"{i:x}"]) for i in range(n)],
        outputs=["embedding"] + [f"{i:x}" for i in range(n)]))))
    out.add("initialisers.onnx", fill(lambda n: network([], [tensor(f"{i:x}", [0]) for i in range(n)])))
    out.add("inputs.onnx", fill(lambda n: network([], inputs=[value("x", [1, 3, 32, 32])] + [value(f"{i:x}") for i in range(n)])))
    out.add("attributes.onnx", fill(lambda n: network([node("Relu", ["x"], ["y"], *[attribute(f"{i:x}", 1) for i in range(n)])], last="y")))
    out.add("same-attribute.onnx", fill(lambda n: network([node("Relu", ["x"], ["y"], *[attribute("a", 1) for i in range(n)])], last="y")))
    out.add("opsets.onnx", fill(lambda n: model(graph([node("GlobalAveragePool", ["x"], ["embedding"])]), opsets=[f"{i:x}" for i in range(n)])))
    out.add("functions.onnx", fill(lambda n: model(
        graph([node("GlobalAveragePool", ["x"], ["embedding"])]), [function(f"{i:x}", [node("Relu", ["a"], ["b"])]) for i in range(n)])))
    out.add("doubling-functions.onnx", doubling_functions(30))
    out.add("long-name-functions.onnx", model(graph(
        [node("f", ["x" if i == 0 else f"{i:x}"], [f"{i + 1:x}"], domain="f") for i in range(9_000)]
        + [node("GlobalAveragePool", [f"{9000:x}"], ["embedding"])]),
        [function("f", [node("Relu", ["a"], ["b"]), node("Relu", ["a"], ["n" * 500_000])])], ["f"]))
    out.add("deep-functions.onnx", doubling_functions(20_000, 1))
    out.add("branches.onnx", network([node("If", ["t"], ["y"], attribute("then_branch", nested_branches(14)))], [tensor("t", [], b"\1", 9)], "y"))
    out.add("captured.onnx", fill(lambda n: network(
        [node("If", ["t"], ["y"], attribute("then_branch", graph(
            [node("Relu", [f"v{i:x}"], [f"{i:x}"]) for i in range(n)], inputs=[], outputs=["0"])))], [tensor("t", [], b"\1", 9)], "y")))
    out.add("external.onnx", fill(lambda n: network([], [
        field(1, 0) + field(2, FLOAT) + field(8, f"{i:x}") + message(13, field(1, "location") + field(2, f"{i:x}")) + field(14, 1)
        for i in range(n)])))
    out.add("typed.onnx", network([node("Relu", ["x"], ["y"])], [b"".join(field(4, struct.pack("<f", 1)) for _ in range(150_000))
                                                             + field(1, 150_000) + field(2, FLOAT) + field(8, "a")], "y"))
    out.add("messages.onnx", fill(lambda n: network([], extra=message(13, b"") * n)))
    out.add("metadata.onnx", fill(lambda n: model(graph([node("GlobalAveragePool", ["x"], ["embedding"])]), extra=message(14, b"") * n)))
    out.add("shared-weights.onnx", network(
        [node("Conv", ["x" if i == 0 else f"{i:x}", "first" if i == 0 else "w"], [f"{i + 1:x}"]) for i in range(8_000)],
        [tensor("first", [256, 3, 1, 1], bytes(3072)), tensor("w", [256, 256, 1, 1], bytes(1 << 18))], f"{8000:x}"))
    out.add("parallel.onnx", fill(lambda n: network(
        [item for i in range(n) for item in (
            node("Conv", ["x" if i == 0 else f"s{i - 1}", "w"], [f"a{i}"]), node("Conv", ["x" if i == 0 else f"s{i - 1}", "w"], [f"b{i}"]),
            node("Add", [f"a{i}", f"b{i}"], [f"s{i}"]))], [tensor("w", [3, 3, 1, 1], bytes(36))], f"s{n - 1}")))
    norm = ["one", "zero", "zero", "one"]
    out.add("branch.onnx", fill(lambda n: network(
        [item for i in range(n) for item in (
            node("Conv", ["x" if i == 0 else f"s{i - 1}", "w"], [f"a{i}"]),
            node("BatchNormalization", ["x" if i == 0 else f"s{i - 1}", *norm], [f"b{i}"]),
            node("Add", [f"a{i}", f"b{i}"], [f"c{i}"]), node("Relu", [f"c{i}"], [f"s{i}"]))],
        [tensor("w", [3, 3, 1, 1], struct.pack("<9f", *[0.1] * 9)), tensor("one", [3], struct.pack("<3f", 1, 1, 1)),
         tensor("zero", [3], bytes(12))], f"s{n - 1}"), 499_000))
    out.add("shared-parallel.onnx", network(
        [node("Conv", ["x", "first"], ["s"])] + [item for i in range(2_000) for item in (
            node("Conv", [f"s{i - 1}" if i else "s", "w"], [f"a{i}"]), node("Conv", [f"s{i - 1}" if i else "s", "w"], [f"b{i}"]),
            node("Add", [f"a{i}", f"b{i}"], [f"c{i}"]), node("Relu", [f"c{i}"], [f"s{i}"]))],
        [tensor("first", [384, 3, 1, 1], bytes(4608)), tensor("w", [384, 384, 1, 1], bytes(384 * 384 * 4))], "s1999"))
    for name, kind, inputs in [("norms-after", "BatchNormalization", norm), ("offsets-before", "Add", ["offset"])]:
        layer = lambda source: [node("Conv", [source, "w"], ["y"])]
        before = kind == "Add"
        out.add(f"{name}.onnx", fill(lambda n: network(
            ([] if before else layer("x"))
            + [node(kind, [("x" if before else "y") if i == 0 else f"{i:x}", *inputs], [f"{i + 1:x}"]) for i in range(n)]
            + (layer(f"{n:x}") if before else []),
            [tensor("w", [3, 3, 1, 1], struct.pack("<9f", *[0.1] * 9)), tensor("one", [3], struct.pack("<3f", 1, 1, 1)),
             tensor("zero", [3], bytes(12)), tensor("offset", [1, 3, 1, 1], struct.pack("<3f", 1, 1, 1))],
            "y" if before else f"{n:x}")))
    out.add("twins.onnx", fill(lambda n: network(
        [node("Relu" if i % 2 else "Sigmoid", ["x" if i == 0 else f"{side}{i - 1:x}"], [f"{side}{i:x}"])
         for i in range(n) for side in "ab"] + [node("Add", [f"a{n - 1:x}", f"b{n - 1:x}"], ["y"])], last="y")))
    out.add("offsets.onnx", fill(lambda n: network(
        [item for i in range(n) for item in (
            node("Add", ["x" if i == 0 else f"s{i - 1}", "b"], [f"a{i}"]), node("Conv", [f"a{i}", "w"], [f"c{i}"]),
            node("Relu", [f"c{i}"], [f"s{i}"]))], [tensor("w", [3, 3, 1, 1], bytes(36)), tensor("b", [1, 3, 1, 1], bytes(12))], f"s{n - 1}")))
    out.add("dynamic-chain.onnx", fill(lambda n: model(graph(
        [node("Relu" if i % 2 else "Sigmoid", ["x" if i == 0 else f"{i:x}"], [f"{i + 1:x}"]) for i in range(n)]
        + [node("Flatten", [f"{n:x}"], ["flat"]), node("MatMul", ["flat", "w"], ["embedding"])],
        [tensor("w", [3 * 32 * 32, 1], bytes(12_288))], inputs=[value("x", [1, 3, "h", "w"])])), 500_000))
    out.add("same-names.onnx", fill(lambda n: network(
        [node("Relu" if i % 2 else "Sigmoid", ["x" if i == 0 else f"{i:x}"], [f"{i + 1:x}"]) + field(3, "n") for i in range(n)], last=f"{n:x}")))
    out.add("cycle.onnx", fill(lambda n: network([node("Relu", [f"{(i + 1) % n:x}"], [f"{i:x}"]) for i in range(n)], last="0")))
    out.add("channels.onnx", network(
        [node("Concat", ["x" if i == 0 else f"{i:x}"] * 2, [f"{i + 1:x}"], attribute("axis", 1)) for i in range(40)], last="28"))
    out.add("sizes.onnx", network(
        [node("Resize", ["x" if i == 0 else f"{i:x}", "", "scales"], [f"{i + 1:x}"]) for i in range(20)],
        [tensor("scales", [4], struct.pack("<4f", 1, 1, 2, 2))], f"{20:x}"))
    out.add("noted.onnx", fill(lambda n: network(
        [node("Dropout", ["x" if i == 0 else f"{i:x}"], [f"{i + 1:x}"]) for i in range(n)], last=f"{n:x}")))
    return out.list
