import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let convolutions: [String: ONNXTranslation] = [
    "Conv": convolution,
    "BatchNormalization": batchNormalization,
  ]

  private static let convolution: ONNXTranslation = { translator, node throws(ImportError) in
    let source = try translator.activation(node, 0)
    // ONNX keeps OIHW; a permuted view reads it as OHWI.
    let weight = try translator.weights(node, 1, rank: 4).permuted([0, 2, 3, 1])
    var constants = ["weight": weight]
    if translator.hasInput(node, 2) { constants["bias"] = try translator.weights(node, 2, rank: 1).contiguous() }
    if source.isRow { return try pointwiseOnRow(&translator, node, source, constants) }
    let window = try ONNXWindow.window(
      node, in: translator, kernel: [weight.shape[1], weight.shape[2]], map: source.shape)
    guard !window.ceilMode else { throw translator.bad(node, "a convolution has no ceil_mode") }
    let groups = try ONNXWindow.integer(node, "group", default: 1, in: translator)
    guard groups >= 1 else { throw translator.bad(node, "has \(groups) groups") }
    return .activation(
      try translator.append(
        Convolution(window: window, groups: groups), node: node, inputs: [source], constants: constants))
  }

  /// A convolution of a pooled map, one pixel an image, is a linear layer.
  private static func pointwiseOnRow(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ source: ONNXActivation, _ constants: [String: Tensor]
  ) throws(ImportError) -> ONNXValue {
    guard let weight = constants["weight"], weight.shape[1] == 1, weight.shape[2] == 1,
      try ONNXWindow.integer(node, "group", default: 1, in: translator) == 1
    else { throw translator.unsupported(node, "its input is a vector, and it is more than a linear layer") }
    var linear = constants
    linear["weight"] = weight.contiguous().reshaped([weight.shape[0], weight.shape[3]])
    let output = try translator.append(Linear(), node: node, inputs: [source], constants: linear)
    return .activation(output.with(shape: [source.shape[0], weight.shape[0], 1, 1]))
  }

  private static let batchNormalization: ONNXTranslation = { translator, node throws(ImportError) in
    guard try ONNXWindow.integer(node, "training_mode", default: 0, in: translator) == 0,
      try ONNXWindow.integer(node, "spatial", default: 1, in: translator) == 1
    else { throw translator.unsupported(node, "it is in training mode or not spatial; export the model after eval()") }
    var epsilon = 1e-5
    if case .float(let value)? = node.attributes["epsilon"] { epsilon = ONNXMath.decimal(Double(value)) }
    guard epsilon >= 0, epsilon.isFinite else { throw translator.bad(node, "has the epsilon \(epsilon)") }
    let constants = [
      "scale": try translator.weights(node, 1, rank: 1), "shift": try translator.weights(node, 2, rank: 1),
      "mean": try translator.weights(node, 3, rank: 1), "variance": try translator.weights(node, 4, rank: 1),
    ]
    let source = try translator.activation(node, 0)
    return .activation(
      try translator.append(
        BatchNormalization(epsilon: epsilon), node: node, inputs: [source], constants: constants))
  }
}

/// The attributes that convolutions and poolings share.
enum ONNXWindow {
  static func integer(
    _ node: ONNXModel.Node, _ name: String, default fallback: Int, in translator: ONNXTranslator
  ) throws(ImportError) -> Int {
    switch node.attributes[name] {
    case .int(let value)?: return value
    case nil: return fallback
    default: throw translator.bad(node, "its \(name) is no integer")
    }
  }

  private static func integers(
    _ node: ONNXModel.Node, _ name: String, default fallback: [Int], in translator: ONNXTranslator
  ) throws(ImportError) -> [Int] {
    switch node.attributes[name] {
    case .ints(let values)? where values.count == fallback.count: return values
    case nil: return fallback
    default: throw translator.bad(node, "its \(name) must be \(fallback.count) integers")
    }
  }

  /// - Parameters:
  ///   - kernel: the weight's; `nil` for a pooling, which must have the attribute.
  ///   - map: NCHW, for `auto_pad`.
  static func window(
    _ node: ONNXModel.Node, in translator: ONNXTranslator, kernel: [Int]?, map: Shape
  ) throws(ImportError) -> Window {
    let size = try integers(node, "kernel_shape", default: kernel ?? [0, 0], in: translator)
    let strides = try integers(node, "strides", default: [1, 1], in: translator)
    let dilations = try integers(node, "dilations", default: [1, 1], in: translator)
    // Bounded here, so that the arithmetic below cannot overflow; the operator checks again.
    guard (size + strides + dilations).allSatisfy({ 1...1024 ~= $0 }), kernel == nil || kernel == size else {
      throw translator.bad(node, "its kernel \(size), strides \(strides) or dilations \(dilations) make no window")
    }
    var window = Window(height: size[0], width: size[1])
    (window.strideHeight, window.strideWidth) = (strides[0], strides[1])
    (window.dilationHeight, window.dilationWidth) = (dilations[0], dilations[1])
    window.ceilMode = try integer(node, "ceil_mode", default: 0, in: translator) != 0
    var mode = "NOTSET"
    if case .string(let value)? = node.attributes["auto_pad"] { mode = value }
    switch mode {
    case "VALID": break
    case "SAME_UPPER", "SAME_LOWER":
      for axis in 0...1 {
        let span = (size[axis] - 1) * dilations[axis] + 1
        let outputs = (map[axis + 2] + strides[axis] - 1) / strides[axis]
        let padding = max(0, (outputs - 1) * strides[axis] + span - map[axis + 2])
        let (small, large) = (padding / 2, padding - padding / 2)
        let (before, after) = mode == "SAME_UPPER" ? (small, large) : (large, small)
        if axis == 0 {
          (window.top, window.bottom) = (before, after)
        } else {
          (window.left, window.right) = (before, after)
        }
      }
    case "NOTSET", "":
      let pads = try integers(node, "pads", default: [0, 0, 0, 0], in: translator)
      guard pads.allSatisfy({ 0...1024 ~= $0 }) else { throw translator.bad(node, "cannot pad by \(pads)") }
      (window.top, window.left, window.bottom, window.right) = (pads[0], pads[1], pads[2], pads[3])
    default: throw translator.bad(node, "its auto_pad is '\(mode)'")
    }
    return window
  }
}
