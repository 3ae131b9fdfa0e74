"""Builds an ONNX model node by node, spelling each operator as the drawn operator set has it."""
from typing import NamedTuple

import numpy as np
from onnx import TensorProto, helper, numpy_helper

# Names that quern's exporter or importer give a meaning of their own.
RESERVED = ["input", "normalized_embedding", "embedding", "logits", "one", "spatial_axes", "corner.starts", "uint8_zero",
            "input.scale", "input.pixels", "input.quantized", "normalize", "fine"]
SUFFIXES = [".weight", ".bias", ".conv", ".quantized", ".dequantized", ".output_scale", "_2", ".scaled", ".cut"]


class Value(NamedTuple):
    name: str
    shape: tuple
    # Whether all elements are 0 or more, as far as the generator can tell.
    nonnegative: bool = False

    @property
    def channels(self):
        return self.shape[1]

    @property
    def is_row(self):
        return len(self.shape) == 2 or self.shape[2:] == (1, 1)


class Maker:
    def __init__(self, choices, seed):
        self.choices = choices
        self.weights = np.random.default_rng(seed)
        self.opset = choices.pick([13, 17, 11, 20, 7, 8, 9, 10, 12, 14, 15, 16, 18, 19, 21])
        self.nodes, self.initializers, self.node_names = [], [], []
        self.naming = choices.pick(["plain", "unnamed", "path", "reserved", "plain"])
        self.spells_constants_as_nodes = choices.chance(25)
        # What quern is free to refuse.
        self.exotic = []
        # Maps between the blocks of the trunk.
        self.maps = []
        # Whether some vector was divided by its norm and a large epsilon, so that it is no unit vector.
        self.has_loose_units = False
        # Whether height and width of the image are declared.
        self.is_fixed = False

    # Nodes and names

    def node_name(self, op):
        choices = self.choices
        if self.naming == "unnamed":
            return ""
        if self.naming == "path":
            return f"/net/{op.lower()}/{op}_{len(self.nodes)}"
        if self.naming == "reserved" and choices.chance(60):
            earlier = [name for name in self.node_names if name]
            derived = [name + choices.pick(SUFFIXES) for name in earlier[-2:]]
            fresh = [name for name in RESERVED + derived if name not in earlier]
            if fresh:
                return choices.pick(fresh)
        return f"n{len(self.nodes)}_{op}"

    def value_name(self):
        index = len(self.nodes)
        return f"/net/out_{index}" if self.naming == "path" else f"v{index}"

    def add(self, op, inputs, shape=(), nonnegative=False, extra_outputs=(), **attributes):
        name, output = self.node_name(op), self.value_name()
        names = [value.name if isinstance(value, Value) else value for value in inputs]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(op, names, [output, *extra_outputs], name=name, **attributes))
        self.node_names.append(name)
        return Value(output, tuple(shape), nonnegative)

    def rename(self, value, name):
        """Gives a value the name of an output."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for index, old in enumerate(names):
                    if old == value.name:
                        names[index] = name
        return value._replace(name=name)

    def may_bind_size(self):
        """Whether to use what is right at one size of images only: rarely where the size is open."""
        return self.is_fixed or self.choices.chance(8)

    # Constants

    def constant(self, array, name=None):
        array = np.asarray(array)
        if self.spells_constants_as_nodes and array.size <= 64 and self.choices.chance(60):
            return self.constant_node(array)
        name = f"w{len(self.initializers)}"
        if array.dtype == np.float32 and array.size > 1 and self.choices.chance(3):
            half = array.astype(np.float16)
            self.initializers.append(numpy_helper.from_array(half, name))
            return self.add("Cast", [name], array.shape, to=TensorProto.FLOAT).name
        self.initializers.append(numpy_helper.from_array(np.array(array, order="C"), name))
        if self.choices.chance(2):
            return self.add("Identity", [name], array.shape).name
        return name

    def constant_node(self, array):
        value = {"value": numpy_helper.from_array(array, "value")}
        # The type of an empty list is not known.
        if self.opset >= 12 and array.ndim <= 1 and array.size > 0 and self.choices.chance(40):
            kind = ("float" if array.dtype == np.float32 else "int") + "s" * array.ndim
            value = {f"value_{kind}": array.tolist()}
        return self.add("Constant", [], array.shape, **value).name

    def integers(self, values):
        return self.constant(np.array(values, np.int64))

    def floats(self, shape, scale=1.0, offset=0.0):
        return (self.weights.standard_normal(shape) * scale + offset).astype(np.float32)

    def scalar(self, value):
        """One number, in one of the shapes that exporters give it."""
        shape = self.choices.pick([(), (1,), (1, 1)])
        return self.constant(np.full(shape, value, np.float32))

    # Operators whose form depends on the operator set

    def axes(self, values, rank):
        """Axes, perhaps counted from the end."""
        if self.opset >= 11 and self.choices.chance(30):
            return [axis - rank for axis in values]
        return list(values)

    def with_list(self, op, value, key, values, shape, since, nonnegative=False, **attributes):
        """An operator that took a list as an attribute before the operator set `since`, and as an input from then on."""
        if self.opset >= since:
            return self.add(op, [value, self.integers(values)], shape, nonnegative, **attributes)
        return self.add(op, [value], shape, nonnegative, **{key: values}, **attributes)

    def reduce(self, op, value, axes, keeps, nonnegative=None):
        rank = len(value.shape)
        shape = [1 if axis in axes else extent for axis, extent in enumerate(value.shape)]
        if not keeps:
            shape = [extent for axis, extent in enumerate(value.shape) if axis not in axes]
        return self.with_list(op, value, "axes", self.axes(axes, rank), shape, 13 if op == "ReduceSum" else 18,
                              value.nonnegative if nonnegative is None else nonnegative,
                              keepdims=None if keeps and self.choices.chance(50) else int(keeps))

    def squeeze(self, value, axes):
        shape = [extent for axis, extent in enumerate(value.shape) if axis not in axes]
        return self.with_list("Squeeze", value, "axes", self.axes(axes, len(value.shape)), shape, 13, value.nonnegative)

    def unsqueeze(self, value, axes):
        shape = list(value.shape)
        for axis in axes:
            shape.insert(axis, 1)
        return self.with_list("Unsqueeze", value, "axes", self.axes(axes, len(shape)), shape, 13, value.nonnegative)

    def transpose(self, value, order):
        return self.add("Transpose", [value], [value.shape[axis] for axis in order], value.nonnegative, perm=order)

    def clip(self, value, low, high):
        nonnegative = value.nonnegative if low is None else low >= 0
        if self.opset < 11:
            return self.add("Clip", [value], value.shape, nonnegative, min=low, max=high)
        # Bounds are scalars by the specification.
        inputs = [value] + ["" if bound is None else self.constant(np.array(bound, np.float32)) for bound in (low, high)]
        while inputs[-1] == "":
            inputs.pop()
        return self.add("Clip", inputs, value.shape, nonnegative)

    # The model

    def model(self, image, outputs):
        ir = ir_version_of(self.opset)
        inputs = [helper.make_tensor_value_info(image[0], TensorProto.FLOAT, image[1])]
        if ir < 4:
            # Initialisers had to be inputs, too.
            inputs += [helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                       for tensor in self.initializers]
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "fuzz", inputs, results, self.initializers)
        return helper.make_model(graph, opset_imports=self.operator_sets(), ir_version=ir)

    def operator_sets(self):
        """The operator set under either of its names, perhaps with another that no node uses."""
        sets = [helper.make_opsetid("ai.onnx" if self.choices.chance(2) else "", self.opset)]
        return sets + ([helper.make_opsetid("com.microsoft", 1)] if self.choices.chance(5) else [])


def ir_version_of(opset):
    """The intermediate representation of the ONNX release that brought the operator set."""
    newer = 8 if opset <= 18 else 9 if opset <= 20 else 10
    return {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7}.get(opset, newer)
