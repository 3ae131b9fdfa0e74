"""Activation functions, as one operator or spelled as several, the way exporters do it for the operator set."""
import numpy as np

from .choices import spanned


@spanned
def smooth(maker, value):
    """A SiLU, a hard swish, or one of their gates alone, of a map or a vector."""
    kind = maker.choices.pick(["hard swish", "silu", "hard swish", "silu", "hard sigmoid", "sigmoid"])
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
