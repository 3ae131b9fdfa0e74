import Checkpoints

/// The attributes of each supported operator. A node with any other attribute is refused, as ignoring it could change
/// the node's output.
enum ONNXAttributes {
  private static let window: Set<String> = ["auto_pad", "dilations", "kernel_shape", "pads", "strides"]
  private static let reduction: Set<String> = ["axes", "keepdims", "noop_with_empty_axes"]

  /// This includes valid attributes that do not affect the first output at inference, which are ignored.
  private static let byOperator: [String: Set<String>] = [
    "AveragePool": window.union(["ceil_mode", "count_include_pad"]),
    "BatchNormalization": ["epsilon", "momentum", "spatial", "training_mode"],
    "Cast": ["saturate", "to"],
    "CastLike": ["saturate"],
    "Clip": ["max", "min"],
    "Concat": ["axis"],
    "Mod": ["fmod"],
    "Constant": [
      "sparse_value", "value", "value_float", "value_floats", "value_int", "value_ints", "value_string",
      "value_strings",
    ],
    "ConstantOfShape": ["value"],
    "Conv": window.union(["group"]),
    "DequantizeLinear": ["axis", "block_size", "output_dtype"],
    "Dropout": ["ratio", "seed"],
    "Elu": ["alpha"],
    "Flatten": ["axis"],
    "Gather": ["axis"],
    "Gelu": ["approximate"],
    "Gemm": ["alpha", "beta", "transA", "transB"],
    "HardSigmoid": ["alpha", "beta"],
    "LayerNormalization": ["axis", "epsilon", "stash_type"],
    "LeakyRelu": ["alpha"],
    "InstanceNormalization": ["epsilon"],
    "LogSoftmax": ["axis"],
    "LpNormalization": ["axis", "p"],
    "MaxPool": window.union(["ceil_mode", "storage_order"]),
    "Pad": ["mode", "pads", "value"],
    "QuantizeLinear": ["axis", "block_size", "output_dtype", "precision", "saturate"],
    "ReduceL1": reduction, "ReduceL2": reduction, "ReduceMax": reduction, "ReduceMean": reduction,
    "ReduceMin": reduction, "ReduceProd": reduction, "ReduceSum": reduction, "ReduceSumSquare": reduction,
    "Reshape": ["allowzero"],
    "Resize": [
      "antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside", "extrapolation_value",
      "keep_aspect_ratio_policy", "mode", "nearest_mode",
    ],
    "Selu": ["alpha", "gamma"],
    "ScatterND": ["reduction"],
    "Shape": ["end", "start"],
    "Slice": ["axes", "ends", "starts"],
    "Softmax": ["axis"],
    "SpaceToDepth": ["blocksize"],
    "Split": ["axis", "num_outputs", "split"],
    "Squeeze": ["axes"],
    "Swish": ["alpha"],
    "Transpose": ["perm"],
    "Unsqueeze": ["axes"],
    "Upsample": ["mode", "scales"],
  ]

  /// The attribute of a node, the first by name, that its operator does not have.
  static func unknown(of node: ONNXModel.Node) -> String? {
    let names = byOperator[node.operatorType] ?? []
    return node.attributes.keys.filter { !names.contains($0) }.min()
  }
}

extension ONNXTranslator {
  /// An integer attribute.
  func integer(_ node: ONNXModel.Node, _ name: String, default fallback: Int) throws(ImportError) -> Int {
    switch node.attributes[name] {
    case .int(let value)?: return value
    case nil: return fallback
    default: throw bad(node, "its attribute '\(name)' is not an integer")
    }
  }

  /// A floating-point attribute; `nil` where it is omitted.
  func float(_ node: ONNXModel.Node, _ name: String) throws(ImportError) -> Double? {
    switch node.attributes[name] {
    case .float(let value)?: return Double(value)
    case nil: return nil
    default: throw bad(node, "its attribute '\(name)' is not a floating-point number")
    }
  }

  /// A string attribute.
  func text(_ node: ONNXModel.Node, _ name: String, default fallback: String) throws(ImportError) -> String {
    switch node.attributes[name] {
    case .string(let value)?: return value
    case nil: return fallback
    default: throw bad(node, "its attribute '\(name)' is not a string")
    }
  }

  /// An attribute that is a list of as many integers as `fallback` has.
  func integers(
    _ node: ONNXModel.Node, _ name: String, default fallback: [Int]
  ) throws(ImportError) -> [Int] {
    switch node.attributes[name] {
    case .ints(let values)? where values.count == fallback.count: return values
    case nil: return fallback
    default: throw bad(node, "its attribute '\(name)' must be a list of \(fallback.count) integers")
    }
  }

  /// A constant list of integers, from an attribute or, in later operator sets, an input; `nil` where it is omitted.
  func integers(_ node: ONNXModel.Node, attribute: String, input: Int) throws(ImportError) -> [Int]? {
    switch node.attributes[attribute] {
    case .ints(let list)?: return list
    case nil: break
    default: throw bad(node, "its attribute '\(attribute)' is not a list of integers")
    }
    guard hasInput(node, input) else { return nil }
    guard let array = ONNXArray(try constant(node, input)) else { throw bad(node, "has too many \(attribute)") }
    return array.integers
  }
}
