"""Layer norms, and products of maps or of vectors."""
import numpy as np

from .activations import hard_sigmoid, smooth, swapped
from .choices import spanned
from .windows import convolution


@spanned
def layer_norm(maker, value):
    """A layer norm over the channels, as one operator of the last axis or as its moments, with or without constants."""
    choices = maker.choices
    # A few channels are often almost equal somewhere, and then their variance has few correct digits in float32.
    epsilon = choices.pick([1e-5, 1e-6, 1e-3] if value.channels >= 6 else [0.1])
    is_map = len(value.shape) == 4
    if maker.opset >= 17 and choices.chance(50):
        inner = maker.transpose(value, [0, 2, 3, 1]) if is_map else value
        inputs = [inner, maker.constant(maker.floats([value.channels], .2, 1))]
        if choices.chance(80):
            inputs.append(maker.constant(maker.floats([value.channels], .3)))
        result = maker.add("LayerNormalization", inputs, inner.shape,
                           epsilon=epsilon if value.channels < 6 or choices.chance(80) else None,
                           axis=choices.pick([None, -1, len(inner.shape) - 1]))
        return maker.transpose(result, [0, 3, 1, 2]) if is_map else result
    result = normalized(maker, value, epsilon)
    for op, values in [("Mul", maker.floats([value.channels], .2, 1)), ("Add", maker.floats([value.channels], .3))]:
        if choices.chance(80):
            constant = maker.constant(values.reshape([-1] + [1] * (len(value.shape) - 2)))
            result = maker.add(op, swapped(maker, [result, constant]), value.shape)
    return result


def normalized(maker, value, epsilon):
    """(x - mean) / sqrt(variance + epsilon)."""
    choices = maker.choices
    centred = maker.add("Sub", [value, maker.reduce("ReduceMean", value, [1], True)], value.shape)
    squares = (maker.add("Pow", [centred, maker.scalar(2)], value.shape, True) if choices.chance(60) else
               maker.add("Mul", [centred, centred], value.shape, True))
    variance = maker.reduce("ReduceMean", squares, [1], True)
    variance = maker.add("Add", swapped(maker, [variance, maker.constant(np.float32(epsilon))]), variance.shape, True)
    root = maker.add("Sqrt", [variance], variance.shape, True)
    if choices.chance(70):
        return maker.add("Div", [centred, root], value.shape)
    inverse = (maker.add("Reciprocal", [root], root.shape, True) if choices.chance(50) else
               maker.add("Div", [maker.scalar(1), root], root.shape, True))
    return maker.add("Mul", swapped(maker, [centred, inverse]), value.shape)


@spanned
def response_norm(maker, value):
    """Global response normalisation: norms of the channels over their mean, as factors of the map that they are added to."""
    choices = maker.choices
    kind = choices.pick(["ReduceL2", "ReduceSumSquare", "ReduceSum"])
    source = value
    if kind == "ReduceSum":
        source = maker.add("Mul", [value, value], value.shape, True)
    norms = maker.reduce(kind, source, [2, 3], True)
    if kind != "ReduceL2":
        norms = maker.add("Sqrt", [norms], norms.shape, True)
    mean = maker.reduce("ReduceMean", norms, [1], True)
    mean = maker.add("Add", swapped(maker, [mean, maker.constant(np.float32(choices.pick([1e-6, 1e-3])))]), mean.shape, True)
    responses = maker.add("Div", [norms, mean], norms.shape, True)
    result = maker.add("Mul", swapped(maker, [value, responses]), value.shape, value.nonnegative)
    for op, values in [("Mul", maker.floats([value.channels], .5)), ("Add", maker.floats([value.channels], .3))]:
        if choices.chance(80):
            constant = maker.constant(values.reshape([-1, 1, 1]))
            result = maker.add(op, swapped(maker, [result, constant]), value.shape)
    return maker.add("Add", swapped(maker, [value, result]), value.shape) if choices.chance(80) else result


@spanned
def gated(maker, value):
    """The product of a map and a gate for each element or for each pixel, or of two maps."""
    choices = maker.choices
    outputs = choices.pick([value.channels, 1, value.channels])
    gate = convolution(maker, value, outputs, keeps_extents=True)
    kind = choices.pick(["Sigmoid", "HardSigmoid", "smooth", "none"])
    if kind == "Sigmoid":
        gate = maker.add("Sigmoid", [gate], gate.shape, True)
    elif kind == "HardSigmoid":
        gate = hard_sigmoid(maker, gate, None)
    elif kind == "smooth":
        gate = smooth(maker, gate)
    return maker.add("Mul", swapped(maker, [value, gate]), value.shape, value.nonnegative and gate.nonnegative)
