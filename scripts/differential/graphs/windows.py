"""Convolutions and poolings with every attribute they can have."""
from .choices import spanned


def extent(length, kernel, stride, dilation, before, after, ceil):
    free = length + before + after - ((kernel - 1) * dilation + 1)
    if free < 0:
        return 0
    result = free // stride + 1
    if ceil and free % stride and result * stride < length + before:
        result += 1
    return result


@spanned
def window(maker, value, pools, small=False):
    """Draws a window that fits the map: its attributes and the extents of the output."""
    choices = maker.choices
    height, width = value.shape[2:]
    for _ in range(8):
        kernel = [choices.pick([1, 3, 2, 5, 4, 7]), 0]
        kernel[1] = kernel[0] if choices.chance(75) else choices.pick([1, 2, 3, 5, 7])
        strides = [1 if small else choices.pick([1, 2, 1, 3]), 0]
        strides[1] = strides[0] if small or choices.chance(75) else choices.pick([1, 2])
        may_dilate = not pools or maker.opset >= (10 if pools == "MaxPool" else 19)
        dilations = [choices.pick([1, 2, 3]), choices.pick([1, 2])] if may_dilate and choices.chance(20) else [1, 1]
        ceil = int(bool(pools) and maker.opset >= 10 and choices.chance(35))
        mode = choices.pick(["NOTSET"] * 6 + ["SAME_UPPER", "SAME_LOWER", "VALID"])
        if mode.startswith("SAME") and strides != [1, 1] and not maker.may_bind_size():
            mode = "VALID"
        pads = [0, 0, 0, 0]
        attributes = {"kernel_shape": kernel, "strides": strides if strides != [1, 1] or choices.chance(50) else None,
                      "dilations": dilations if dilations != [1, 1] or may_dilate and choices.chance(20) else None,
                      "ceil_mode": ceil if ceil or pools and maker.opset >= 10 and choices.chance(10) else None}
        if mode == "NOTSET":
            shape = choices.pick(["none", "half", "any"])
            if shape == "half":
                pads = [kernel[0] // 2, kernel[1] // 2] * 2
            elif shape == "any":
                pads = [min(choices.below(3), side - 1 if pools else 2) for side in kernel * 2]
            attributes["pads"] = pads if any(pads) or choices.chance(20) else None
            attributes["auto_pad"] = "NOTSET" if choices.chance(15) else None
        else:
            attributes["auto_pad"] = mode
        if mode.startswith("SAME"):
            # ONNX Runtime has neither a dilated convolution that pads itself nor a pooling that would pad by less than 0.
            if not pools:
                dilations = [1, 1]
                attributes["dilations"] = None
            elif any(span < stride for span, stride in zip(kernel, strides)):
                continue
            extents = [-(-side // stride) for side, stride in zip((height, width), strides)]
        else:
            extents = [extent(side, kernel[axis], strides[axis], dilations[axis], pads[axis], pads[axis + 2], ceil)
                       for axis, side in enumerate((height, width))]
        if min(extents) >= 1:
            return attributes, extents
    return {"kernel_shape": [1, 1]}, [height, width]


@spanned
def convolution(maker, value, outputs=None, keeps_extents=False):
    choices = maker.choices
    channels = value.channels
    if keeps_extents:
        kernel = choices.pick([1, 3])
        attributes = {"kernel_shape": [kernel, kernel], "pads": [kernel // 2] * 4}
        extents = value.shape[2:]
    else:
        attributes, extents = window(maker, value, None)
    kind = choices.pick(["dense", "dense", "groups", "depthwise"])
    groups = 1
    outputs = outputs or choices.pick([4, 6, 8, 12, 5])
    if kind == "depthwise":
        groups, outputs = channels, outputs if outputs % channels == 0 and keeps_extents else channels
    elif kind == "groups":
        groups = max(g for g in (1, 2, 3, 4) if channels % g == 0 and outputs % g == 0)
    if outputs % groups:
        groups = 1
    if kind == "depthwise" and not keeps_extents and choices.chance(15):
        outputs *= 2
    kernel = attributes["kernel_shape"]
    taps = channels // groups * kernel[0] * kernel[1]
    weight = maker.floats([outputs, channels // groups, *kernel], (1.5 / taps) ** .5)
    inputs = [value, maker.constant(weight)]
    if choices.chance(60):
        inputs.append(maker.constant(maker.floats([outputs], .3)))
    if choices.chance(30):
        attributes = {**attributes, "kernel_shape": None}
    return maker.add("Conv", inputs, [1, outputs, *extents], group=groups if groups > 1 or choices.chance(40) else None,
                     **attributes)


@spanned
def max_pool(maker, value):
    attributes, extents = window(maker, value, "MaxPool")
    # The second output, the positions of the maxima, which nothing reads.
    extra = [maker.value_name() + "_indices"] if maker.opset >= 8 and maker.choices.chance(4) else []
    if maker.opset >= 8 and maker.choices.chance(4):
        attributes["storage_order"] = maker.choices.below(2)
    return maker.add("MaxPool", [value], [*value.shape[:2], *extents], value.nonnegative, extra, **attributes)


@spanned
def average_pool(maker, value):
    attributes, extents = window(maker, value, "AveragePool")
    counts = maker.choices.pick([None, 1, 0])
    return maker.add("AveragePool", [value], [*value.shape[:2], *extents], value.nonnegative, count_include_pad=counts,
                     **attributes)
