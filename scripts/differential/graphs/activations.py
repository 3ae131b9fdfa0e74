"""Activation functions, as one operator or spelled as several, the way exporters do it for the operator set."""
import numpy as np

from .choices import spanned


@spanned
def smooth(maker, value):
    """A SiLU, a hard swish, or one of their gates alone, or another function, of a map or a vector."""
    kind = maker.choices.pick(["hard swish", "silu", "hard swish", "silu", "hard sigmoid", "sigmoid", "gelu", "gelu",
                               "mish", "leaky", "other"])
    if kind == "gelu":
        return gelu(maker, value)
    if kind == "mish":
        return mish(maker, value)
    if kind == "leaky":
        return leaky(maker, value)
    if kind == "other":
        return other(maker, value)
    if kind == "silu":
        return product(maker, value, maker.add("Sigmoid", [value], value.shape, True))
    if kind == "sigmoid":
        return maker.add("Sigmoid", [value], value.shape, True)
    if kind == "hard sigmoid":
        return hard_sigmoid(maker, value, maker.choices.pick([None, 1 / 6, 1 / 6, 0.25]))
    return hard_swish(maker, value)


def hard_sigmoid(maker, value, alpha):
    return maker.add("HardSigmoid", [value], value.shape, True, alpha=alpha,
                     beta=0.5 if maker.choices.chance(70) else None)


@spanned
def hard_swish(maker, value):
    kind = maker.choices.pick((["HardSwish"] if maker.opset >= 14 else []) + ["HardSigmoid", "clip", "gate"])
    if kind == "HardSwish":
        return maker.add("HardSwish", [value], value.shape)
    if kind == "HardSigmoid":
        return product(maker, value, hard_sigmoid(maker, value, 1 / 6))
    moved = maker.add("Add", swapped(maker, [value, maker.scalar(3)]), value.shape)
    kept = relu6(maker, moved)
    if kind == "clip":
        return sixth(maker, product(maker, value, kept))
    return product(maker, value, sixth(maker, kept))


@spanned
def gelu(maker, value):
    """With the error function or with the tangent, as one operator or as several."""
    choices = maker.choices
    if maker.opset >= 20 and choices.chance(30):
        return maker.add("Gelu", [value], value.shape, approximate=choices.pick([None, "none", "tanh"]))
    one = maker.scalar(1)
    if maker.opset >= 9 and choices.chance(50):
        argument = (maker.add("Div", [value, maker.scalar(2 ** .5)], value.shape) if choices.chance(60) else
                    maker.add("Mul", swapped(maker, [value, maker.scalar(.5 ** .5)]), value.shape))
        gate = maker.add("Add", swapped(maker, [maker.add("Erf", [argument], value.shape), one]), value.shape, True)
    else:
        gate = maker.add("Add", swapped(maker, [maker.add("Tanh", [cubic(maker, value)], value.shape), one]),
                         value.shape, True)
    half = maker.scalar(.5)
    form = choices.pick(["value", "gate", "product", "none"])
    if form == "value":
        return product(maker, maker.add("Mul", swapped(maker, [value, half]), value.shape), gate)
    if form == "gate":
        return product(maker, value, maker.add("Mul", swapped(maker, [gate, half]), value.shape, True))
    result = product(maker, value, gate)
    if form == "none":
        return result
    return maker.add("Mul", swapped(maker, [result, half]), value.shape)


def cubic(maker, value):
    """sqrt(2 / pi) (x + 0.044715 x^3)."""
    choices = maker.choices
    shape, root = value.shape, maker.scalar((2 / np.pi) ** .5)
    square = maker.add("Mul", [value, value], shape, True)
    if choices.chance(25):
        scaled = maker.add("Mul", swapped(maker, [square, maker.scalar(.044715)]), shape, True)
        factor = maker.add("Add", swapped(maker, [scaled, maker.scalar(1)]), shape, True)
        return maker.add("Mul", swapped(maker, [maker.add("Mul", [value, root], shape), factor]), shape)
    cube = (maker.add("Pow", [value, maker.scalar(3)], shape) if choices.chance(50) else
            maker.add("Mul", swapped(maker, [square, value]), shape))
    scaled = maker.add("Mul", swapped(maker, [cube, maker.scalar(.044715)]), shape)
    return maker.add("Mul", swapped(maker, [maker.add("Add", swapped(maker, [value, scaled]), shape), root]), shape)


@spanned
def mish(maker, value):
    if maker.opset >= 18 and maker.choices.chance(40):
        return maker.add("Mish", [value], value.shape)
    softplus = maker.add("Softplus", [value], value.shape, True)
    return product(maker, value, maker.add("Tanh", [softplus], value.shape, True))


@spanned
def leaky(maker, value):
    """A ReLU with one slope, or with a slope for each channel."""
    choices = maker.choices
    if choices.chance(40):
        return maker.add("LeakyRelu", [value], value.shape, alpha=choices.pick([None, 0.1, 0.2, -0.5, 1.0, 0.0]))
    count = choices.pick([value.channels, 1])
    slopes = maker.floats([count] + [1] * (len(value.shape) - 2), .2, .1)
    return maker.add("PRelu", [value, maker.constant(slopes)], value.shape)


def other(maker, value):
    choices = maker.choices
    kind = choices.pick(["Elu", "Selu", "Tanh", "Softplus"] + (["Erf"] if maker.opset >= 9 else []))
    alpha = choices.pick([None, 1.0, 1.5]) if kind == "Elu" else None
    return maker.add(kind, [value], value.shape, kind == "Softplus", alpha=alpha)


def relu6(maker, value):
    kind = maker.choices.pick(["Clip", "Clip", "Relu and Clip"] + (["Relu and Min"] if maker.opset >= 8 else []))
    if kind == "Clip":
        return maker.clip(value, 0.0, 6.0)
    positive = maker.add("Relu", [value], value.shape, True)
    if kind == "Relu and Min":
        return maker.add("Min", swapped(maker, [positive, maker.scalar(6)]), value.shape, True)
    return maker.clip(positive, None, 6.0) if maker.opset >= 11 else maker.clip(positive, 0.0, 6.0)


def sixth(maker, value):
    if maker.choices.chance(60):
        return maker.add("Div", [value, maker.scalar(6)], value.shape, value.nonnegative)
    return maker.add("Mul", swapped(maker, [value, maker.scalar(np.float32(1 / 6))]), value.shape, value.nonnegative)


def product(maker, value, gate):
    return maker.add("Mul", swapped(maker, [value, gate]), value.shape)


def swapped(maker, inputs):
    return inputs[::-1] if maker.choices.chance(40) else inputs
