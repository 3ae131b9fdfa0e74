import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let poolings: [String: ONNXTranslation] = [
    "MaxPool": maxPool,
    "AveragePool": averagePool,
    "GlobalAveragePool": { translator, node throws(ImportError) in try mean(&translator, node, keepsAxes: true) },
    "GlobalMaxPool": { translator, node throws(ImportError) in try maximum(&translator, node, keepsAxes: true) },
  ]

  private static let maxPool: ONNXTranslation = { translator, node throws(ImportError) in
    let source = try translator.map(node, 0)
    let window = try ONNXWindow.window(node, in: translator, kernel: nil, map: source.shape)
    return .activation(try translator.append(MaxPooling(window: window), node: node, inputs: [source]))
  }

  private static let averagePool: ONNXTranslation = { translator, node throws(ImportError) in
    let shape = try translator.value(node, 0).shape
    guard shape.rank == 4 else { throw translator.bad(node, "pools \(shape), which is no map") }
    let window = try ONNXWindow.window(node, in: translator, kernel: nil, map: shape)
    // A window as large as the map is the mean of the map, and so it stays at other image sizes.
    if window.height == shape[2], window.width == shape[3], window.dilationHeight == 1, window.dilationWidth == 1,
      window.top == 0, window.left == 0, window.bottom == 0, window.right == 0
    {
      return try mean(&translator, node, keepsAxes: true)
    }
    let source = try translator.map(node, 0)
    // ONNX leaves padding out unless told otherwise.
    let countsPadding = try ONNXWindow.integer(node, "count_include_pad", default: 0, in: translator) != 0
    return .activation(
      try translator.append(
        AveragePooling(window: window, countsPadding: countsPadding), node: node, inputs: [source]))
  }

  /// The mean of each channel's map, or of its powers.
  static func mean(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, keepsAxes: Bool
  ) throws(ImportError) -> ONNXValue {
    let value = try translator.value(node, 0)
    guard value.shape.rank == 4 else { throw translator.bad(node, "pools \(value.shape), which is no map") }
    let shape: Shape = keepsAxes ? [value.shape[0], value.shape[1], 1, 1] : [value.shape[0], value.shape[1]]
    switch value {
    case .step(.power(let base, let floor, let exponent)) where !base.isRow:
      return .step(.meanPower(base, floor: floor, exponent: exponent, shape: shape))
    case .step(.clipped(let base, let floor)) where !base.isRow && floor <= ONNXGeM.largestFloor:
      return .step(.pooled(base, exponent: 1, shape: shape))
    default:
      let source = try translator.activation(node, 0)
      return source.isRow ? .activation(source.with(shape: shape)) : .step(.pooled(source, exponent: 1, shape: shape))
    }
  }

  static func maximum(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, keepsAxes: Bool
  ) throws(ImportError) -> ONNXValue {
    let source = try translator.map(node, 0)
    let shape: Shape = keepsAxes ? [source.shape[0], source.channels, 1, 1] : [source.shape[0], source.channels]
    return .step(.pooled(source, exponent: .infinity, shape: shape))
  }
}

/// GeM pooling as exporters spell it: (Clip | Max | nothing after a ReLU) -> Pow -> mean -> Pow.
enum ONNXGeM {
  /// quern's floor is 1e-6, and half precision rounds it up. The pooled value moves by less than the difference.
  static let largestFloor = 2e-6

  /// The pooling that a root makes of a mean of powers.
  static func pool(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, base: ONNXActivation, floor: Double?, exponent: Double,
    root: Double, shape: Shape
  ) throws(ImportError) -> ONNXValue {
    guard exponent > 0, exponent.isFinite, abs(root * exponent - 1) < 1e-3 else {
      throw translator.unsupported(
        node, "a mean of powers of \(exponent) has a root of \(root), which is no GeM pooling")
    }
    if let floor {
      guard (0...largestFloor).contains(floor) else {
        throw translator.unsupported(node, "GeM pooling with a floor of \(floor); quern's is 1e-6")
      }
    }
    var base = base
    if translator.producer(of: base).map({ !($0.op is ReLU) }) ?? true {
      guard floor != nil else { throw translator.unsupported(node, "GeM pooling of a map that may be negative") }
      // An exporter's optimiser has merged the trunk's last ReLU into the clipping.
      base = try translator.append(ReLU(), node: node, inputs: [base])
    }
    return .activation(try translator.pool(base, exponent: exponent, node: node).with(shape: shape))
  }
}
