"""The part of a network that works on vectors: pooling, linear layers and L2 norms."""
import numpy as np

from .choices import spanned


# Pooling

@spanned
def mean(maker, value):
    """The mean over height and width."""
    choices = maker.choices
    kind = choices.pick(["GlobalAveragePool", "ReduceMean", "AveragePool", "ReduceMean", "GlobalAveragePool",
                         choices.pick(["two steps", "NHWC"])])
    pooled = [*value.shape[:2], 1, 1]
    if kind == "ReduceMean":
        return maker.reduce("ReduceMean", value, choices.pick([[2, 3], [3, 2]]), choices.chance(50))
    if kind == "two steps":
        keeps = choices.chance(50)
        first, second = (3, 2) if choices.chance(70) or not keeps else (2, 3)
        return maker.reduce("ReduceMean", maker.reduce("ReduceMean", value, [first], keeps), [second], keeps)
    if kind == "AveragePool" and maker.may_bind_size():
        return maker.add("AveragePool", [value], pooled, value.nonnegative, kernel_shape=list(value.shape[2:]),
                         strides=choices.pick([None, list(value.shape[2:]), [1, 1]]))
    if kind == "NHWC":
        keeps = choices.chance(30)
        result = maker.reduce("ReduceMean", maker.transpose(value, [0, 2, 3, 1]), [1, 2], keeps)
        return maker.transpose(result, [0, 3, 1, 2]) if keeps else result
    return maker.add("GlobalAveragePool", [value], pooled, value.nonnegative)


@spanned
def maximum(maker, value):
    kind = maker.choices.pick(["GlobalMaxPool", "ReduceMax", "MaxPool"])
    pooled = [*value.shape[:2], 1, 1]
    if kind == "ReduceMax":
        return maker.reduce("ReduceMax", value, [2, 3], maker.choices.chance(50))
    if kind == "MaxPool" and maker.may_bind_size():
        return maker.add("MaxPool", [value], pooled, value.nonnegative, kernel_shape=list(value.shape[2:]))
    return maker.add("GlobalMaxPool", [value], pooled, value.nonnegative)


@spanned
def generalized_mean(maker, value):
    """GeM: a floor, a power, a mean and a root."""
    choices = maker.choices
    exponent = choices.pick([3.0, 2.0, 1.0, 2.5, 4.0, 3.7])
    floor = choices.pick([1e-6, 1e-6, 0.0, 1e-8, 1e-12, 1e-4, 0.1, None, -0.5])
    if floor is None and not value.nonnegative or floor is not None and floor < 0 and exponent not in (1.0, 2.0):
        floor = 1e-6
    if floor is not None:
        if choices.chance(65):
            value = maker.clip(value, floor, choices.pick([None, None, 1e4, float("inf")]))
        else:
            inputs = [value, maker.scalar(floor)]
            if choices.chance(30):
                inputs.reverse()
            value = (maker.add("Max", inputs, value.shape, floor >= 0) if maker.opset >= 8 else
                     maker.clip(value, floor, None))
    if exponent == 2 and choices.chance(30):
        value = maker.add("Mul", [value, value], value.shape, True)
    elif exponent != 1 or choices.chance(70):
        value = maker.add("Pow", [value, maker.scalar(exponent)], value.shape, True)
    value = mean(maker, value)
    if exponent == 1 and choices.chance(50):
        return value
    if exponent == 2 and choices.chance(40):
        return maker.add("Sqrt", [value], value.shape, True)
    root = choices.pick(["number", "Reciprocal", "Div"])
    if choices.chance(2):
        maker.exotic.append("GeM with another root")
        exponent = 1.7
    if root == "number":
        constant = maker.scalar(1 / exponent)
    elif root == "Reciprocal":
        constant = maker.add("Reciprocal", [maker.scalar(exponent)])
    else:
        constant = maker.add("Div", [maker.constant(np.float32(1)), maker.scalar(exponent)])
    return maker.add("Pow", [value, constant], value.shape, True)


@spanned
def exponents(maker, value):
    """GeM with an exponent for each channel."""
    choices = maker.choices
    powers = np.abs(maker.floats([value.channels], .5, 2.5)) + np.float32(.5)
    roots = (1 / powers.astype(np.float64)).astype(np.float32)
    shape = [[value.channels, 1, 1], [1, value.channels, 1, 1]][choices.below(2)]
    value = maker.clip(value, choices.pick([1e-6, 1e-4, 0.1]), None)
    value = maker.add("Pow", [value, maker.constant(powers.reshape(shape))], value.shape, True)
    value = maker.add("GlobalAveragePool", [value], [*value.shape[:2], 1, 1], True)
    return maker.add("Pow", [value, maker.constant(roots.reshape(shape))], value.shape, True)


@spanned
def whole(maker, value):
    """A linear layer of all elements of a map."""
    choices = maker.choices
    count = int(np.prod(value.shape[1:]))
    if choices.chance(30):
        value = maker.transpose(value, [0, 2, 3, 1])
    if choices.chance(50):
        value = maker.add("Flatten", [value], [1, count], value.nonnegative)
    else:
        target = maker.integers(choices.pick([[0, -1], [-1, count], [0, count]]))
        value = maker.add("Reshape", [value, target], [1, count], value.nonnegative)
    return linear(maker, value, 8)


@spanned
def pool(maker, value):
    choices = maker.choices
    kind = choices.pick([mean, mean, mean, maximum, generalized_mean, generalized_mean,
                         choices.pick(["sum", "both", "shared", "whole", "exponents"])])
    if kind == "whole":
        kind = whole if maker.may_bind_size() else mean
    elif kind == "exponents":
        kind = exponents
    if not isinstance(kind, str):
        return kind(maker, value)
    if kind == "shared":
        # A clipped map and its powers, each read by two poolings.
        clipped = maker.clip(value, choices.pick([0.0, 1e-6, 0.1, -0.5]), None)
        squares = maker.add("Pow", [clipped, maker.scalar(2.0)], value.shape, True)
        root = maker.add("Sqrt", [as_vector(maker, mean(maker, squares))], [1, value.channels], True)
        other = mean(maker, clipped) if choices.chance(60) else maximum(maker, squares)
        return maker.add("Add", [root, as_vector(maker, other)], root.shape)
    parts = [as_vector(maker, mean(maker, value)), as_vector(maker, maximum(maker, value))]
    if kind == "sum":
        return maker.add("Add", parts, parts[0].shape)
    return maker.add("Concat", parts, [1, 2 * value.channels], axis=1)


# Shapes

@spanned
def as_vector(maker, value):
    """[N, C] from [N, C, 1, 1]."""
    choices = maker.choices
    if len(value.shape) == 2:
        return value
    shape = [1, value.channels]
    kind = choices.pick(["Flatten", "Reshape", "Squeeze", "Squeeze twice", "Shape"])
    if kind == "Flatten":
        axis = choices.pick([None, 1, -3 if maker.opset >= 11 else 1])
        return maker.add("Flatten", [value], shape, value.nonnegative, axis=axis)
    if kind == "Squeeze":
        return maker.squeeze(value, [2, 3])
    if kind == "Squeeze twice":
        return maker.squeeze(maker.squeeze(value, [3]), [2])
    if kind == "Reshape":
        target = maker.integers(choices.pick([[0, -1], [-1, value.channels], [0, value.channels]]))
    else:
        # The batch's extent, as exporters of dynamic graphs spell it.
        extents = maker.add("Shape", [value], [4])
        batch = maker.add("Gather", [extents, maker.integers([0])], [1], axis=0 if choices.chance(50) else None)
        target = maker.add("Concat", [batch, maker.integers([-1])], [2], axis=0).name
    return maker.add("Reshape", [value, target], shape, value.nonnegative)


# Linear layers

@spanned
def linear(maker, value, outputs):
    """A linear layer in one of its forms: of [N, C] by Gemm or MatMul, of [N, C, 1, 1] by a convolution."""
    choices = maker.choices
    weight = maker.floats([outputs, value.channels], (1.5 / value.channels) ** .5)
    bias = maker.floats([outputs], .3) if choices.chance(60) else None
    if len(value.shape) == 4:
        inputs = [value, maker.constant(weight[:, :, None, None])] + ([] if bias is None else [maker.constant(bias)])
        return maker.add("Conv", inputs, [1, outputs, 1, 1], kernel_shape=[1, 1] if choices.chance(50) else None)
    if choices.chance(60):
        return gemm(maker, value, weight, bias)
    matrix = maker.constant(weight.T)
    if choices.chance(25):
        matrix = maker.add("Transpose", [maker.constant(weight)], perm=[1, 0] if choices.chance(50) else None)
    result = maker.add("MatMul", [value, matrix], [1, outputs])
    if bias is None:
        return result
    constant = maker.constant(bias if choices.chance(70) else bias[None])
    return maker.add("Add", [result, constant] if choices.chance(60) else [constant, result], [1, outputs])


@spanned
def gemm(maker, value, weight, bias):
    choices = maker.choices
    outputs = len(weight)
    transposes = choices.chance(70)
    alpha, beta = choices.pick([None, 1.0, 0.5, 2.0]), choices.pick([None, 1.0, 0.5, 0.0])
    inputs = [value, maker.constant(weight if transposes else weight.T)]
    if bias is not None or maker.opset < 11:
        bias = np.zeros(outputs, np.float32) if bias is None else bias
        shape = choices.pick(["vector", "vector", "row", "one", "scalar"])
        inputs.append(maker.constant({"vector": bias, "row": bias[None], "one": bias[:1],
                                      "scalar": bias[0].reshape(())}[shape]))
    first = None
    if choices.chance(3):
        maker.exotic.append("Gemm transA")
        inputs[0], first = maker.add("Transpose", [value], [value.channels, 1], perm=[1, 0]), 1
    return maker.add("Gemm", inputs, [1, outputs], alpha=alpha, beta=beta, transA=first,
                     transB=1 if transposes else choices.pick([None, 0]))


# Norms

@spanned
def normalize(maker, value):
    """x / ||x|| along the channels. Returns the value and whether epsilon is too large for it to be a unit vector."""
    choices = maker.choices
    rank = len(value.shape)
    axis = [1]
    if choices.chance(20):
        attribute = choices.pick([1, -1] if rank == 2 else [1, -3])
        if choices.chance(5):
            maker.exotic.append("LpNormalization p=1")
            return maker.add("LpNormalization", [value], value.shape, axis=attribute, p=1), True
        return maker.add("LpNormalization", [value], value.shape, axis=attribute, p=choices.pick([None, 2])), False
    epsilon = choices.pick([1e-12, 1e-6, 1e-8, 1e-3, 0.5])
    kind = choices.pick(["ReduceL2", "ReduceSumSquare", "squares", "Pow"])
    keeps = choices.chance(75)
    if kind == "ReduceL2":
        norm = maker.reduce("ReduceL2", value, axis, keeps, True)
    else:
        if kind == "ReduceSumSquare":
            norm = maker.reduce("ReduceSumSquare", value, axis, keeps, True)
        else:
            squares = (maker.add("Mul", [value, value], value.shape, True) if kind == "squares" else
                       maker.add("Pow", [value, maker.scalar(2)], value.shape, True))
            norm = maker.reduce("ReduceSum", squares, axis, keeps, True)
        if choices.chance(20):
            norm = guard(maker, norm, choices.pick([1e-12, 1e-6]))
        norm = maker.add("Sqrt", [norm], norm.shape, True)
    large = False
    if choices.chance(60):
        norm, large = guard(maker, norm, epsilon), epsilon > 1e-5
    if not keeps:
        norm = maker.unsqueeze(norm, [1])
    if maker.opset >= 8 and choices.chance(30):
        norm = maker.add("Expand", [norm, maker.add("Shape", [value], [rank])], value.shape, True)
    if choices.chance(12):
        return maker.add("Mul", [value, maker.add("Reciprocal", [norm], norm.shape, True)], value.shape), large
    return maker.add("Div", [value, norm], value.shape), large


@spanned
def guard(maker, norm, epsilon):
    kind = maker.choices.pick(["Clip", "Max", "Add"])
    if kind == "Clip" or kind == "Max" and maker.opset < 8:
        return maker.clip(norm, epsilon, None)
    return maker.add(kind, [norm, maker.scalar(epsilon) if len(norm.shape) > 1 else maker.constant(np.float32(epsilon))],
                     norm.shape, True)
