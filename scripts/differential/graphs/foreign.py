"""Steps that quern may refuse, but must not pass over or take for others: operators that it does not have, attributes
that change a meaning, constants along other axes than the channels."""
import numpy as np

from .choices import spanned


def broadcast(maker, value):
    """Arithmetic with constants that are aligned with height and width, or with all axes."""
    choices = maker.choices
    _, channels, height, width = value.shape
    shape = choices.pick([(width,), (height, 1), (1, 1, height, width), (1, channels, height, width),
                          (channels, height, 1)])
    op = choices.pick(["Add", "Mul"])
    return maker.add(op, [value, maker.constant(maker.floats(shape, .4, 1))], value.shape)


def other_map(maker, value):
    """Two maps, or a map and a vector of it."""
    choices = maker.choices
    op = choices.pick(["Sub", "Mul", "Div"] + (["Max", "Min"] if maker.opset >= 8 else []))
    other = maker.add("Sigmoid", [value], value.shape, True)
    if choices.chance(40):
        other = maker.add("GlobalAveragePool", [other], [*value.shape[:2], 1, 1], True)
        op = choices.pick([op, "Add"])
    inputs = [other, value] if op != "Div" and choices.chance(40) else [value, other]
    return maker.add(op, inputs, value.shape)


def permuted(maker, value):
    """Height and width change places."""
    return maker.transpose(value, [0, 1, 3, 2])


def reshaped(maker, value):
    """Other channels from the elements of a map."""
    _, channels, height, width = value.shape
    if height % 2:
        return permuted(maker, value)
    shape = [1, channels * 2, height // 2, width]
    return maker.add("Reshape", [value, maker.integers(shape)], shape, value.nonnegative)


def reduced(maker, value):
    """A mean over other axes than height and width."""
    axis = maker.choices.pick([1, 2, 3])
    result = maker.reduce(maker.choices.pick(["ReduceMean", "ReduceMax"]), value, [axis], True)
    if axis != 1:
        return result
    return maker.add("Add", [result, value], value.shape)


def activation(maker, value):
    kind = maker.choices.pick(["Softsign", "Neg", "Abs", "Exp", "Softmax"])
    return maker.add(kind, [value], value.shape, axis=1 if kind == "Softmax" else None)


def slopes_of_columns(maker, value):
    return maker.add("PRelu", [value, maker.constant(maker.floats([value.shape[3]], .2))], value.shape)


def cubic(maker, value):
    """A tangent of a polynomial, which is none of GELU's."""
    cube = maker.add("Pow", [value, maker.scalar(3)], value.shape)
    return maker.add("Tanh", [maker.add("Add", [value, cube], value.shape)], value.shape)


def moments(maker, value):
    """Steps of a layer norm for something else."""
    mean = maker.reduce("ReduceMean", value, [1], True)
    centred = maker.add("Sub", [value, mean], value.shape)
    if maker.choices.chance(50):
        return maker.add("Mul", [centred, maker.add("Relu", [value], value.shape, True)], value.shape)
    return maker.add("Relu", [centred], value.shape, True)


def training(maker, value):
    """Statistics of the batch, which is one image here."""
    count = value.channels
    constants = [np.ones(count), np.zeros(count), np.zeros(count), np.ones(count)]
    constants = [maker.constant(array.astype(np.float32)) for array in constants]
    if maker.opset < 14:
        return maker.add("InstanceNormalization", [value, *constants[:2]], value.shape)
    statistics = [f"{maker.value_name()}_{kind}" for kind in ("mean", "variance")]
    return maker.add("BatchNormalization", [value, *constants], value.shape, extra_outputs=statistics, training_mode=1)


def power(maker, value):
    """A power of each element, of its own for each channel, without a mean."""
    choices = maker.choices
    floor = maker.clip(value, 0.1, None)
    exponents = maker.constant(np.abs(maker.floats([1, value.channels, 1, 1], .3, 2)))
    return maker.add("Pow", [floor, choices.pick([maker.scalar(2.0), exponents])], value.shape, True)


def joined(maker, value):
    """Maps one below the other."""
    axis = maker.choices.pick([2, 3])
    shape = [extent * (2 if index == axis else 1) for index, extent in enumerate(value.shape)]
    return maker.add("Concat", [value, maker.add("Relu", [value], value.shape, True)], shape, axis=axis)


def selected(maker, value):
    """Some of the channels, in another order."""
    indices = [value.channels - 1, 0, value.channels // 2]
    return maker.add("Gather", [value, maker.integers(indices)], [1, 3, *value.shape[2:]], value.nonnegative, axis=1)


def crossed(maker, value):
    """A lower bound above the upper one."""
    return maker.clip(value, 2.0, 1.0)


STEPS = [activation, broadcast, broadcast, other_map, permuted, reshaped, reduced, slopes_of_columns, cubic, moments,
         training, power, joined, selected, crossed]


@spanned
def foreign(maker, value):
    step = maker.choices.pick(STEPS)
    maker.exotic.append(step.__name__)
    return step(maker, value)


# Vectors

def vector_broadcast(maker, value):
    """A constant along the last axis: the channels of [N, C], but not of [N, C, 1, 1]."""
    constant = maker.constant(maker.floats([value.channels], .4, 1))
    if len(value.shape) == 2:
        return maker.add("Mul", [value, constant], value.shape)
    wide = maker.add("Mul", [value, constant], [*value.shape[:3], value.channels])
    return maker.add("GlobalAveragePool", [wide], value.shape)


def other_norm(maker, value):
    """One vector by the norm of another, or norms of other orders and along other axes."""
    choices = maker.choices
    kind = choices.pick(["other", "batch", "L1", "LpNormalization"])
    if kind == "other":
        norm = maker.reduce("ReduceL2", maker.add("Relu", [value], value.shape, True), [1], True, True)
    elif kind == "batch":
        norm = maker.reduce("ReduceL2", value, [0], True, True)
    elif kind == "L1":
        norm = maker.reduce("ReduceL1", value, [1], True, True)
    else:
        return maker.add("LpNormalization", [value], value.shape, axis=0, p=2)
    return maker.add("Div", [value, maker.add("Add", [norm, maker.scalar(0.01)], norm.shape, True)], value.shape)


def product(maker, value):
    other = maker.add("Relu", [value], value.shape, True)
    return maker.add(maker.choices.pick(["Mul", "Sub"]), [value, other], value.shape)


def other_activation(maker, value):
    kind = maker.choices.pick(["Softsign", "Softmax", "Abs", "Neg"])
    return maker.add(kind, [value], value.shape, axis=1 if kind == "Softmax" else None)


@spanned
def foreign_to_vectors(maker, value):
    step = maker.choices.pick([vector_broadcast, other_norm, product, other_activation])
    maker.exotic.append(step.__name__)
    return step(maker, value)
