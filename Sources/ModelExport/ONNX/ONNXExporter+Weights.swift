import Graphs
import Tensors

extension ONNXExporter {
  /// How an ONNX model stores the weights of integer layers. Both have the same values, and differ in what runtimes do
  /// with them.
  package enum WeightType: String, CaseIterable, Sendable {
    /// Zero points of 0, which TensorRT requires. On x86-64 processors without VNNI instructions, ONNX Runtime adds
    /// products of uint8 and int8 in pairs that saturate at 16 bits.
    case int8
    /// Levels raised by 128, with zero points of 128. ONNX Runtime computes their products without saturation on every
    /// processor, and more slowly where there are VNNI instructions.
    case uint8

    /// The level that stands for 0.
    fileprivate var zeroPoint: Int { self == .int8 ? 0 : 128 }

    /// Levels of int8 as this type stores them.
    fileprivate func stored(_ levels: Tensor) -> Tensor {
      guard self == .uint8 else { return levels }
      return Tensor(levels.elements(as: Int8.self).map { UInt8(bitPattern: $0) ^ 0x80 }, shape: levels.shape)
    }

    /// A zero point for each channel, or for `nil` a single one.
    fileprivate func zeroPoints(_ channels: Int?) -> Tensor {
      let (count, shape) = (channels ?? 1, channels.map { [$0] } ?? [])
      return switch self {
      case .int8: Tensor([Int8](repeating: 0, count: count), shape: Shape(shape))
      case .uint8: Tensor([UInt8](repeating: 128, count: count), shape: Shape(shape))
      }
    }
  }

  /// The name of an int8 weight's levels as whole numbers in float.
  mutating func levels(ofWeight weight: Tensor, _ node: Node) -> String {
    let stored = builder.initializer("\(node.name).weight", weightType.stored(weight))
    let zeroPoint = builder.sharedInitializer("\(weightType)_weight_zero", weightType.zeroPoints(nil))
    return builder.node("DequantizeLinear", name: "\(node.name).weight_levels", inputs: [stored, one, zeroPoint])
  }

  /// The name of a weight as a float tensor. Int8 weights pass through DequantizeLinear with one scale for each index
  /// of axis 0; int16 weights are dequantised here.
  mutating func weight(_ node: Node, _ tensor: Tensor) throws(ExportError) -> String {
    if tensor.elementType == .int16 {
      let scales = try constant(node, "weight_scale").elements(as: Float.self)
      guard scales.count == tensor.shape[0] else {
        throw .malformed(node: node.name, problem: "scales and weights differ")
      }
      return builder.initializer("\(node.name).weight", tensor.scaled(by: scales))
    }
    guard tensor.elementType == .int8 else { return builder.initializer("\(node.name).weight", tensor) }
    let scale = builder.initializer("\(node.name).weight_scale", try constant(node, "weight_scale"))
    let inputs = [
      builder.initializer("\(node.name).weight", weightType.stored(tensor)), scale,
      builder.initializer("\(node.name).weight_zero_point", weightType.zeroPoints(tensor.shape[0])),
    ]
    return builder.node(
      "DequantizeLinear", name: "\(node.name).weight_dequantized", inputs: inputs, attributes: [("axis", .int(0))])
  }
}
