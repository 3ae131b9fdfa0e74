"""The part of a network that works on maps."""
import numpy as np
from onnx import TensorProto

from .activations import hard_sigmoid, smooth
from .channels import CHANNEL_BLOCKS
from .choices import spanned
from .foreign import foreign
from .scaling import gated, layer_norm, response_norm
from .vectors import linear
from .windows import average_pool, convolution, max_pool


def batch_normalization(maker, value):
    count = value.channels
    constants = [maker.floats([count], .2, 1), maker.floats([count], .3), maker.floats([count], .3),
                 np.abs(maker.floats([count], .3, 1)) + np.float32(.1)]
    epsilon = maker.choices.pick([None, 1e-3, 1e-5, 0.1])
    return maker.add("BatchNormalization", [value, *map(maker.constant, constants)], value.shape, epsilon=epsilon)


def relu(maker, value):
    return maker.add("Relu", [value], value.shape, True)


@spanned
def bounded(maker, value):
    """Clip, Max and Min with constants."""
    choices = maker.choices
    kind = choices.pick(["Clip", "Max"] + (["Min"] if maker.opset >= 8 else []))
    low = choices.pick([0.0, -1.0, 1e-6, 0.1, -1e-6])
    if kind == "Clip":
        high = choices.pick([None, 6.0, 1.0, float(np.finfo(np.float32).max), float("inf")])
        return maker.clip(value, choices.pick([low, None]) if high is not None else low, high)
    bound = low if kind == "Max" else choices.pick([6.0, 1.0, 0.5])
    inputs = [value, maker.scalar(bound)]
    if choices.chance(30):
        inputs.reverse()
    nonnegative = kind == "Max" and low >= 0 or kind == "Min" and value.nonnegative
    return maker.add(kind, inputs, value.shape, nonnegative)


@spanned
def arithmetic(maker, value):
    """One operator of a map or vector and a constant: one number, or one for each channel."""
    choices = maker.choices
    op = choices.pick(["Add", "Mul", "Sub", "Div"])
    count = value.channels
    values = maker.floats([count], .4)
    if op in ("Mul", "Div"):
        values = np.abs(maker.floats([count], .3, 1)) + np.float32(.2)
    if op in ("Mul", "Div") and choices.chance(15):
        values = -values
    if choices.chance(40):
        constant = maker.scalar(values[0])
    else:
        leading = choices.pick([1, 0])
        constant = maker.constant(values.reshape([1] * leading + [count] + [1] * (len(value.shape) - 2)))
    inputs = [value, constant]
    if op in ("Add", "Mul", "Sub") and choices.chance(30):
        inputs.reverse()
    return maker.add(op, inputs, value.shape)


@spanned
def passing(maker, value):
    """Operators that change nothing."""
    choices = maker.choices
    kind = choices.pick(["Identity", "Dropout", "Cast", "Reshape", "Pad", "Slice", "Identity", "Dropout", "Transpose"])
    if kind == "Dropout":
        if maker.opset >= 12:
            inputs = [value] + ([maker.constant(np.float32(.4))] if choices.chance(50) else [])
            return maker.add("Dropout", inputs, value.shape, value.nonnegative)
        return maker.add("Dropout", [value], value.shape, value.nonnegative, ratio=0.4)
    if kind == "Cast":
        return maker.add("Cast", [value], value.shape, value.nonnegative, to=TensorProto.FLOAT)
    if kind == "Transpose":
        return maker.transpose(maker.transpose(value, [0, 2, 3, 1]), [0, 3, 1, 2])
    if kind == "Reshape":
        return maker.add("Reshape", [value, maker.integers([0, 0, 0, 0])], value.shape, value.nonnegative)
    if kind == "Pad":
        return pad(maker, value, [0] * 8, "constant")
    if kind == "Slice":
        return cut(maker, value, [0, 0], [2 ** 31 - 1] * 2, [2, 3])
    return maker.add("Identity", [value], value.shape, value.nonnegative)


def pad(maker, value, pads, mode, fill=0.0):
    shape = [extent + pads[axis] + pads[axis + 4] for axis, extent in enumerate(value.shape)]
    if maker.opset < 11:
        return maker.add("Pad", [value], shape, value.nonnegative and fill >= 0, pads=pads, mode=mode,
                         value=fill if fill or maker.choices.chance(30) else None)
    inputs = [value, maker.integers(pads)]
    if fill or maker.choices.chance(30):
        inputs.append(maker.constant(np.float32(fill)))
    return maker.add("Pad", inputs, shape, value.nonnegative and fill >= 0,
                     mode=mode if mode != "constant" or maker.choices.chance(30) else None)


@spanned
def padding(maker, value):
    choices = maker.choices
    mode = choices.pick(["constant"] * 5 + ["reflect", "edge"] + ["wrap"] * (maker.opset >= 19))
    amounts = [choices.below(3) for _ in range(4)]
    if choices.chance(15):
        amounts[choices.below(4)] = -1
    if value.shape[2] + amounts[0] + amounts[2] < 1 or value.shape[3] + amounts[1] + amounts[3] < 1:
        amounts = [1, 1, 1, 1]
    fill = choices.pick([0.0, 0.0, 0.0, 0.5, -0.5]) if mode == "constant" else 0.0
    if mode != "constant":
        amounts = [min(max(amount, 0), min(value.shape[2:]) - 1) for amount in amounts]
        if mode == "wrap":
            maker.exotic.append(f"Pad {mode}")
    if fill:
        maker.exotic.append("Pad with a number")
    return pad(maker, value, [0, 0, amounts[0], amounts[1], 0, 0, amounts[2], amounts[3]], mode, fill)


def cut(maker, value, starts, ends, axes, steps=None):
    shape = list(value.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps or [1, 1]):
        shape[axis] = len(range(shape[axis])[start:end:step])
    if maker.opset < 10:
        return maker.add("Slice", [value], shape, value.nonnegative, starts=starts, ends=ends, axes=axes)
    inputs = [value, maker.integers(starts), maker.integers(ends), maker.integers(axes)]
    if steps or maker.choices.chance(30):
        inputs.append(maker.integers(steps or [1] * len(axes)))
    return maker.add("Slice", inputs, shape, value.nonnegative)


@spanned
def slicing(maker, value):
    choices = maker.choices
    if min(value.shape[2:]) < 4:
        return passing(maker, value)
    starts = [choices.below(2), choices.below(2)]
    ends = [choices.pick([2 ** 31 - 1, -1, value.shape[axis + 2] - 1]) for axis in range(2)]
    if choices.chance(8) and maker.opset >= 10:
        maker.exotic.append("Slice with steps")
        return cut(maker, value, [0, 0], [2 ** 31 - 1] * 2, [2, 3], [2, 2])
    if choices.chance(6):
        maker.exotic.append("Slice of channels")
        return cut(maker, value, [0, 0], [value.channels // 2 + 1, 2 ** 31 - 1], [1, 2])
    return cut(maker, value, starts, ends, [2, 3])


@spanned
def sums(maker, value):
    """A residual: the map and one or two branches of it."""
    choices = maker.choices
    branches = [branch(maker, value, value.channels)]
    shortcut = value if choices.chance(70) else branch(maker, value, value.channels)
    if choices.chance(30):
        # A map from further up, which others read, too.
        shortcut = choices.pick([value, *(other for other in maker.maps if other.shape == value.shape)])
    if maker.opset >= 8 and choices.chance(25):
        inputs = [shortcut, *branches]
        if choices.chance(40):
            inputs.append(branch(maker, value, value.channels))
        result = maker.add("Sum", inputs, value.shape)
    else:
        inputs = [*branches, shortcut]
        if choices.chance(40):
            inputs.reverse()
        result = maker.add("Add", inputs, value.shape, all(part.nonnegative for part in inputs))
    return choices.pick([relu, relu, smooth])(maker, result) if choices.chance(50) else result


@spanned
def branch(maker, value, outputs=None):
    """A few operators that keep height and width."""
    choices = maker.choices
    for _ in range(3):
        with choices.span():
            if not choices.chance(55):
                break
            value = choices.pick([relu, batch_normalization, arithmetic, bounded, passing, smooth, layer_norm])(maker, value)
    if outputs is None or choices.chance(80):
        value = convolution(maker, value, outputs, keeps_extents=True)
    if outputs is not None and value.channels != outputs:
        value = convolution(maker, value, outputs, keeps_extents=True)
    return choices.pick([relu, relu, smooth])(maker, value) if choices.chance(40) else value


@spanned
def concatenation(maker, value):
    choices = maker.choices
    parts = [branch(maker, value) for _ in range(choices.pick([1, 2, 3]))]
    if choices.chance(60):
        parts.insert(choices.below(2), value)
    if choices.chance(20):
        parts.append(choices.pick([value, *(other for other in maker.maps if other.shape[2:] == value.shape[2:])]))
    axis = -3 if maker.opset >= 11 and choices.chance(20) else 1
    shape = [1, sum(part.channels for part in parts), *value.shape[2:]]
    return maker.add("Concat", parts, shape, all(part.nonnegative for part in parts), axis=axis)


@spanned
def squeeze_and_excitation(maker, value):
    """A map times factors that are computed from its means."""
    choices = maker.choices
    hidden = choices.pick([4, 2, 8])
    keeps = choices.chance(60)
    if choices.chance(60):
        pooled = maker.add("GlobalAveragePool", [value], [*value.shape[:2], 1, 1], value.nonnegative)
    else:
        pooled = maker.reduce("ReduceMean", value, [2, 3], True)
    if not keeps:
        pooled = maker.squeeze(pooled, [2, 3])
    gate = choices.pick([relu, relu, smooth])(maker, linear(maker, pooled, hidden))
    gate = linear(maker, gate, value.channels)
    gate = (hard_sigmoid(maker, gate, 1 / 6) if choices.chance(30) else
            maker.add("Sigmoid", [gate], gate.shape, True))
    if not keeps:
        gate = maker.unsqueeze(gate, [2, 3])
    inputs = [value, gate]
    if choices.chance(30):
        inputs.reverse()
    result = maker.add("Mul", inputs, value.shape, value.nonnegative)
    if choices.chance(40):
        result = maker.add("Add", choices.pick([[result, value], [value, result]]), value.shape)
        if choices.chance(50):
            result = relu(maker, result)
    return result


def channels_last(maker, value):
    """As converters from TensorFlow leave it: arithmetic with one number for each channel, which is the last axis, and
    linear layers of each pixel."""
    choices = maker.choices
    count = value.channels
    result = maker.transpose(value, [0, 2, 3, 1])
    if choices.chance(30):
        matrix = maker.constant(maker.floats([count, count], (1.5 / count) ** .5))
        extents, lists = result.shape, choices.chance(50) and maker.may_bind_size()
        if lists:
            shape = [int(np.prod(extents[:3])), count]
            result = maker.add("Reshape", [result, maker.integers([-1, count])], shape)
        result = maker.add("MatMul", [result, matrix], result.shape)
        if lists:
            result = maker.add("Reshape", [result, maker.integers([-1, *extents[1:]])], extents)
    for op in choices.pick([["Mul", "Add"], ["Add"], ["Relu"]]):
        inputs = [result] + ([maker.constant(maker.floats([count], .3, 1 if op == "Mul" else 0))] if op != "Relu" else [])
        result = maker.add(op, inputs, result.shape, op == "Relu")
    return maker.transpose(result, [0, 3, 1, 2])


BLOCKS = [convolution] * 6 + [relu] * 3 + [smooth] * 4 + [
    max_pool, average_pool, average_pool, batch_normalization, batch_normalization, bounded, arithmetic, arithmetic, sums,
    sums, concatenation, passing, squeeze_and_excitation, padding, slicing, channels_last, layer_norm, gated,
    response_norm, *CHANNEL_BLOCKS]


def trunk(maker, image):
    choices = maker.choices
    value = image
    for _ in range(6):
        with choices.span():
            if not choices.chance(80):
                break
            # Most networks begin with a convolution.
            block = convolution if value is image and choices.chance(60) else choices.pick(BLOCKS)
            block = foreign if choices.chance(4) else block
            value = block(maker, value)
            maker.maps.append(value)
            if value.shape[2] * value.shape[3] > 100 * 100 or value.channels > 48:
                value = convolution(maker, value, 8, keeps_extents=True)
    return value
