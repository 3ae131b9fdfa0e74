"""Models that ONNX Runtime computes exactly on every processor.

On x86-64 processors without VNNI instructions, its kernels add products of uint8 and int8 in pairs that saturate at 16 bits.
"""
import numpy as np
import onnx
from onnx import numpy_helper


def unsaturated(model):
    """Raises the levels and zero points of all constant int8 weights by 128, so that they are uint8 with the same values."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants:
            continue
        weight = constants[node.input[0]]
        if weight.data_type != onnx.TensorProto.INT8:
            continue
        levels = numpy_helper.to_array(weight)
        zero = numpy_helper.to_array(constants[node.input[2]]) if len(node.input) > 2 else np.zeros(
            numpy_helper.to_array(constants[node.input[1]]).shape, np.int8)
        # Other nodes may read the same constants: each has its own copies.
        prefix = node.output[0]
        for suffix, values in (("uint8_levels", levels), ("uint8_zero", zero)):
            raised = (values.astype(np.int16) + 128).astype(np.uint8)
            model.graph.initializer.append(numpy_helper.from_array(raised, f"{prefix}.{suffix}"))
        scale = node.input[1]
        del node.input[:]
        node.input.extend([f"{prefix}.uint8_levels", scale, f"{prefix}.uint8_zero"])
    return model
