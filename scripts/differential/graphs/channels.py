"""Channels that are split, shuffled, stacked and weighted, and maps that are resized, the way exporters spell it."""
import numpy as np

from .choices import spanned


def reshape(maker, value, shape):
    """A reshape to an extent that is known, with the batch kept."""
    return maker.add("Reshape", [value, maker.integers([0, *shape[1:]])], shape, value.nonnegative)


@spanned
def split(maker, value):
    """Two parts of the channels, by a split or by slices."""
    choices = maker.choices
    if value.channels < 2:
        return [value]
    first = 1 + choices.below(value.channels - 1)
    shapes = [[1, count, *value.shape[2:]] for count in (first, value.channels - first)]
    if maker.opset >= 13 and choices.chance(50):
        second = maker.value_name() + "_second"
        part = maker.add("Split", [value, maker.integers([first, value.channels - first])], shapes[0], value.nonnegative,
                         extra_outputs=[second], axis=1)
        return [part, part._replace(name=second, shape=tuple(shapes[1]))]
    if maker.opset < 10:
        return [maker.add("Slice", [value], shape, value.nonnegative, starts=[start], ends=[end], axes=[1])
                for shape, start, end in zip(shapes, (0, first), (first, 2 ** 31 - 1))]
    return [maker.add("Slice", [value, *map(maker.integers, ([start], [end], [1]))], shape, value.nonnegative)
            for shape, start, end in zip(shapes, (0, first), (first, value.channels))]


@spanned
def halves(maker, value):
    """A split whose second part is convolved, joined again and shuffled, as in ShuffleNetV2."""
    from .windows import convolution
    parts = split(maker, value)
    parts[-1] = convolution(maker, parts[-1], parts[-1].channels, keeps_extents=True)
    joined = value
    if len(parts) > 1:
        joined = maker.add("Concat", parts, [1, sum(part.channels for part in parts), *value.shape[2:]],
                           all(part.nonnegative for part in parts), axis=1)
    return shuffle(maker, joined)


@spanned
def shuffle(maker, value):
    groups = [count for count in (2, 3, 4) if value.channels % count == 0]
    if not groups:
        return value
    # A shape with numbers belongs to one size of images.
    if not maker.may_bind_size():
        return gathered(maker, value)
    count = maker.choices.pick(groups)
    channels, (height, width) = value.channels, value.shape[2:]
    if maker.choices.chance(70):
        grouped = reshape(maker, value, [1, count, channels // count, height, width])
        moved = maker.transpose(grouped, [0, 2, 1, 3, 4])
        return reshape(maker, moved, [1, channels, height, width])
    last = maker.transpose(value, [0, 2, 3, 1])
    grouped = reshape(maker, last, [1, height, width, count, channels // count])
    moved = maker.transpose(grouped, [0, 1, 2, 4, 3])
    return maker.transpose(reshape(maker, moved, [1, height, width, channels]), [0, 3, 1, 2])


def gathered(maker, value):
    """The channels in another order."""
    indices = [(7 * index + 3) % value.channels for index in range(value.channels)]
    return maker.add("Gather", [value, maker.integers(indices)], value.shape, value.nonnegative, axis=1)


@spanned
def resized(maker, value):
    """A map enlarged by whole factors; only from opset 11 on do runtimes agree on coordinates."""
    choices = maker.choices
    if maker.opset < 11 or value.shape[2] * value.shape[3] > 40 * 40:
        return value
    factors = [choices.pick([2, 2, 3, 1]), choices.pick([2, 2, 4])]
    mode = choices.pick(["nearest", "linear"])
    nearest = choices.pick(["floor", "round_prefer_floor"]) if mode == "nearest" else None
    coordinates = choices.pick(["half_pixel", "asymmetric", "align_corners"])
    if mode == "nearest" and coordinates != "asymmetric":
        # Between two pixels, the rounding of coordinates decides.
        coordinates, nearest = "asymmetric", "floor"
    shape = [*value.shape[:2], value.shape[2] * factors[0], value.shape[3] * factors[1]]
    scales = maker.constant(np.array([1, 1, *factors], np.float32))
    return maker.add("Resize", [value, maker.constant(np.zeros(0, np.float32)) if maker.opset < 13 else "", scales], shape,
                     value.nonnegative, mode=mode, nearest_mode=nearest, coordinate_transformation_mode=coordinates)


@spanned
def weighted_branches(maker, value):
    """Two branches, weighted by a softmax over them of a vector (selective kernels)."""
    from .vectors import linear
    from .windows import convolution
    if maker.opset < 13 or not maker.may_bind_size():
        return value
    channels = value.channels
    branches = [convolution(maker, value, channels, keeps_extents=True) for _ in range(2)]
    stack = maker.add("Concat", [maker.unsqueeze(branch, [1]) for branch in branches], [1, 2, channels, *value.shape[2:]],
                      axis=1)
    total = maker.add("ReduceSum", [stack, maker.integers([1])], value.shape, keepdims=0)
    means = maker.squeeze(maker.reduce("ReduceMean", total, [2, 3], True), [2, 3])
    scores = reshape(maker, linear(maker, means, 2 * channels), [1, 2, channels, 1, 1])
    factors = maker.add("Softmax", [scores], scores.shape, True, axis=1)
    product = maker.add("Mul", [stack, factors], stack.shape)
    return maker.add("ReduceSum", [product, maker.integers([1])], value.shape, keepdims=0)


@spanned
def channel_attention(maker, value):
    """Factors for channels from a convolution along their means (efficient channel attention)."""
    size = maker.choices.pick([3, 5])
    means = maker.reduce("ReduceMean", value, [2, 3], True)
    signal = reshape(maker, means, [1, 1, value.channels])
    signal = maker.add("Conv", [signal, maker.constant(maker.floats([1, 1, size], .5))], signal.shape,
                       pads=[size // 2] * 2)
    gate = maker.add("Sigmoid", [signal], signal.shape, True)
    gate = reshape(maker, gate, [1, value.channels, 1, 1])
    return maker.add("Mul", [value, gate], value.shape, value.nonnegative)


CHANNEL_BLOCKS = [halves, shuffle, resized, weighted_branches, channel_attention]
