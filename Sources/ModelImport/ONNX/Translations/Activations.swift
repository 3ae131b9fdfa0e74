import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let activations: [String: ONNXTranslation] = [
    "Relu": { translator, node throws(ImportError) in try relu(&translator, node) },
    "Sigmoid": { translator, node throws(ImportError) in
      let source = try translator.activation(node, 0)
      return .activation(try translator.append(Sigmoid(), node: node, inputs: [source]).with(shape: source.shape))
    },
    "Clip": clip,
    "Max": maximumOfTwo,
    "Dropout": dropout,
    "Identity": { translator, node throws(ImportError) in try translator.value(node, 0) },
    "Cast": cast,
  ]

  private static func relu(_ translator: inout ONNXTranslator, _ node: ONNXModel.Node) throws(ImportError) -> ONNXValue
  {
    let source = try translator.activation(node, 0)
    return .activation(try translator.append(ReLU(), node: node, inputs: [source]).with(shape: source.shape))
  }

  private static let clip: ONNXTranslation = { translator, node throws(ImportError) in
    // Attributes up to opset 10, inputs from then on.
    var (low, high) = (try translator.scalar(node, 1), try translator.scalar(node, 2))
    if case .float(let value)? = node.attributes["min"] { low = Double(value) }
    if case .float(let value)? = node.attributes["max"] { high = Double(value) }
    if let high, high < 1e30 { throw translator.unsupported(node, "clipping to at most \(high)") }
    return try atLeast(&translator, node, low ?? -.infinity)
  }

  private static let maximumOfTwo: ONNXTranslation = { translator, node throws(ImportError) in
    guard node.inputs.count == 2, let floor = try translator.scalar(node, 1) else {
      throw translator.unsupported(node, "the maximum of anything but a value and a number")
    }
    return try atLeast(&translator, node, floor)
  }

  /// `max(x, floor)`: a ReLU for 0, the first step of GeM pooling, or the guard of an L2 norm.
  private static func atLeast(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ floor: Double
  ) throws(ImportError) -> ONNXValue {
    let value = try translator.value(node, 0)
    if floor < -1e30 { return value }
    if case .step(.norm(let base, 0, let shape)) = value, (0...1e-6).contains(floor) {
      return .step(.norm(base, epsilon: ONNXMath.decimal(floor), shape: shape))
    }
    if floor == 0 { return try relu(&translator, node) }
    return .step(.clipped(try translator.activation(node, 0), floor: floor))
  }

  private static let dropout: ONNXTranslation = { translator, node throws(ImportError) in
    if translator.hasInput(node, 2), try translator.scalar(node, 2) != 0 {
      throw translator.unsupported(node, "it is in training mode; export the model after eval()")
    }
    return try translator.value(node, 0)
  }

  private static let cast: ONNXTranslation = { translator, node throws(ImportError) in
    // To float, float16, double or bfloat16: all activations are float32 here.
    guard case .int(let type)? = node.attributes["to"], [1, 10, 11, 16].contains(type) else {
      throw translator.unsupported(node, "a cast to integers")
    }
    return try translator.value(node, 0)
  }
}
