"""A whole network: how it takes the image, its trunk and vectors, and which of its values are embedding and logits."""
from dataclasses import dataclass, field

import numpy as np
from onnx import numpy_helper

from .activations import smooth
from .foreign import foreign_to_vectors
from .heads import heads
from .maker import Maker, Value
from .scaling import layer_norm
from .trunk import arithmetic, batch_normalization, bounded, passing, relu, trunk
from .vectors import as_vector, linear, mean, normalize, pool

IMAGENET = ([.485, .456, .406], [.229, .224, .225])
PIXELS = ([0, 0, 0], [1 / 255] * 3)
UNIT = ([0, 0, 0], [1, 1, 1])


@dataclass
class Network:
    """A model with what is to be expected of it."""
    model: object
    input_name: str
    # NHWC input, as TensorFlow's exports have it.
    is_nhwc: bool
    # Width and height of the images to run it on.
    extent: tuple
    # The value that is the embedding, and whether it must be scaled to a unit vector: False, True, or None for either.
    embedding: str
    normalizes: object
    # The value that holds the logits, if any.
    logits: object = None
    # Whether the logits, the only output, may be taken for the embedding.
    may_be_embedding: bool = False
    # Why quern must refuse the model, where it must.
    must_refuse: object = None
    # Candidates for mean and standard deviation of the preprocessing, and options that say which.
    preprocessings: list = field(default_factory=lambda: [IMAGENET])
    options: list = field(default_factory=list)
    exotic: list = field(default_factory=list)


def triple(values):
    return ",".join(f"{value:.9g}" for value in values)


def random_network(choices, seed):
    maker = Maker(choices, seed)
    side = choices.pick([32, 40, 64, 48, 33])
    is_wide = choices.chance(25)
    extent = choices.pick([(side, side * 3 // 4), (side * 3 // 4, side)]) if is_wide else (side, side)
    height, width = extent[1], extent[0]
    is_fixed, is_nhwc = choices.chance(55) or is_wide, choices.chance(10)
    maker.is_fixed = is_fixed
    batch = choices.pick(["N", "batch_size", 1])
    spatial = [height, width] if is_fixed else ["height", "width"]
    dimensions = [batch, *spatial, 3] if is_nhwc else [batch, 3, *spatial]
    input_name = choices.pick(["x", "input", "input.1", "image"])

    image = Value(input_name, (1, height, width, 3) if is_nhwc else (1, 3, height, width))
    with choices.span():
        image, preprocessings, options = preprocessed(maker, image, is_nhwc)
    options = ["--size", str(side), "--crop", "rect", *options]
    value = trunk(maker, image)
    with choices.span():
        value = pool(maker, value)
    value = vectors(maker, value)
    with choices.span():
        network = heads(maker, value)
    if choices.chance(4):
        maker.initializers.append(unused_nan())
    outputs = network.pop("outputs")
    model = maker.model((input_name, dimensions), outputs)
    return Network(model=model, input_name=input_name, is_nhwc=is_nhwc, extent=extent, preprocessings=preprocessings,
                   exotic=maker.exotic, options=options + network.pop("options"), **network)


def unused_nan():
    return numpy_helper.from_array(np.full([4], np.nan, np.float32), "unused")


# The image

def preprocessed(maker, image, is_nhwc):
    """Normalisation within the graph, and what the graph is to be fed."""
    choices = maker.choices

    def to_maps(value):
        return maker.transpose(value, [0, 3, 1, 2]) if is_nhwc and value.shape[1] != 3 else value

    if not choices.chance(25):
        if choices.chance(15):
            options = ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"]
            return to_maps(image), [([.5] * 3, [.5] * 3)], options
        return to_maps(image), [IMAGENET], []
    if choices.chance(50):
        image = to_maps(image)
    scale = choices.pick([1, 255])
    mean_, std = np.float32(IMAGENET[0]) * scale, np.float32(IMAGENET[1]) * scale
    if choices.chance(40):
        mean_, std = np.float32(.5) * scale, np.float32(.5) * scale

    def constant(values):
        values = np.float32(values)
        if values.ndim and image.shape[1] == 3:
            values = values.reshape([[3, 1, 1], [1, 3, 1, 1]][choices.below(2)])
        return maker.constant(values)

    forms = ["Sub Div", "Sub Mul", "Mul Sub", "Mul Add", "Sub", "Div"] + (["Div Sub Div"] if scale == 255 else [])
    form = choices.pick(forms)
    steps = {"Sub Div": [("Sub", mean_), ("Div", std)], "Sub Mul": [("Sub", mean_), ("Mul", 1 / std)],
             "Mul Sub": [("Mul", 1 / std), ("Sub", mean_ / std)], "Mul Add": [("Mul", 1 / std), ("Add", -mean_ / std)],
             "Sub": [("Sub", mean_)], "Div": [("Div", std)],
             "Div Sub Div": [("Div", np.float32(255)), ("Sub", mean_ / 255), ("Div", std / 255)]}[form]
    for op, values in steps:
        image = maker.add(op, [image, constant(values)], image.shape)
    fed = UNIT if scale == 1 else PIXELS
    if choices.chance(50):
        return to_maps(image), [fed], ["--mean", triple(fed[0]), "--std", triple(fed[1])]
    # Without options quern may recognise it, or normalise as usual before it.
    return to_maps(image), [fed, IMAGENET], []


# Vectors

def vectors(maker, value):
    choices = maker.choices
    for _ in range(4):
        with choices.span():
            if not choices.chance(45):
                break
            if choices.chance(4):
                value = foreign_to_vectors(maker, value)
                continue
            value = choices.pick([flat, linear_layer, relu, batch_normalization, arithmetic, bounded, vector_sum,
                                  vector_concatenation, vector_passing, unit, wide_convolution, layer_norm,
                                  vector_product, smooth])(maker, value)
    return value


def flat(maker, value):
    return as_vector(maker, value)


def linear_layer(maker, value):
    return linear(maker, value, maker.choices.pick([6, 8, 5, 12]))


def unit(maker, value):
    value, large = normalize(maker, value)
    maker.has_loose_units |= large
    return value


def vector_sum(maker, value):
    inner = linear(maker, relu(maker, linear(maker, value, 6)), value.channels)
    inputs = [inner, value] if maker.choices.chance(50) else [value, inner]
    return maker.add("Add", inputs, value.shape)


def vector_product(maker, value):
    other = maker.add("Sigmoid", [linear(maker, value, value.channels)], value.shape, True)
    return maker.add("Mul", [other, value] if maker.choices.chance(50) else [value, other], value.shape)


def vector_concatenation(maker, value):
    parts = [value, linear(maker, value, 4)]
    if maker.choices.chance(30):
        parts.reverse()
    axis = 1 if maker.opset < 11 or maker.choices.chance(70) else 1 - len(value.shape)
    return maker.add("Concat", parts, [1, value.channels + 4, *value.shape[2:]], axis=axis)


def vector_passing(maker, value):
    if len(value.shape) == 4:
        return passing(maker, value)
    return maker.add("Identity", [value], value.shape, value.nonnegative)


def wide_convolution(maker, value):
    """A convolution of a pooled map with padding, which makes it larger, or with other attributes of windows."""
    choices = maker.choices
    if len(value.shape) == 2:
        return linear_layer(maker, value)
    kernel = choices.pick([1, 3])
    pads = [choices.below(2) + kernel // 2 for _ in range(4)]
    strides = choices.pick([[1, 1], [2, 2], [1, 2]])
    extents = [(1 + pads[axis] + pads[axis + 2] - kernel) // strides[axis] + 1 for axis in range(2)]
    weight = maker.floats([6, value.channels, kernel, kernel], (1.5 / value.channels) ** .5)
    inputs = [value, maker.constant(weight), maker.constant(maker.floats([6], .3))]
    result = maker.add("Conv", inputs, [1, 6, *extents], pads=pads, strides=strides, kernel_shape=[kernel, kernel])
    return mean(maker, result)
