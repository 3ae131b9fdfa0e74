import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let convolutions: [String: ONNXTranslation] = [
    "Conv": convolution,
    "BatchNormalization": batchNormalization,
  ]

  private static let convolution: ONNXTranslation = { translator, node throws(ImportError) in
    if case .constant(let weight) = try translator.value(node, 1), weight.shape.rank == 3 {
      return try channelConvolution(&translator, node)
    }
    if case .step(.view(let view)) = try translator.value(node, 0), let layout = view.blockLayout, layout.sample == nil
    {
      return try blockConvolution(&translator, node, view, layout)
    }
    let source = try translator.activation(node, 0)
    guard source.isChannelsFirst else {
      throw translator.unsupported(node, "its input is \(source.shape), not a map in NCHW order")
    }
    // ONNX stores weights as OIHW; a permuted view reads them as OHWI.
    let weight = try translator.weights(node, 1, rank: 4).permuted([0, 2, 3, 1])
    var constants = ["weight": weight]
    if translator.hasInput(node, 2) { constants["bias"] = try translator.weights(node, 2, rank: 1).contiguous() }
    let window = try ONNXWindow.window(
      node, in: translator, kernel: [weight.shape[1], weight.shape[2]], map: source.shape)
    let groups = try translator.integer(node, "group", default: 1)
    guard groups >= 1 else { throw translator.bad(node, "has \(groups) groups") }
    if source.isRow, groups == 1, let tap = onlyTap(of: window) {
      return try linear(&translator, node, source, constants, tap: tap)
    }
    let output = try translator.append(
      Convolution(window: window, groups: groups), node: node, inputs: [try translator.map(node, 0)],
      constants: constants)
    translator.recordWeights(of: output, node, weight: 1, bias: 2)
    return .activation(output)
  }

  /// A convolution of a map whose channels are the pixels of blocks, as a convolution of the map before that with as
  /// many times larger a window and stride. It has the same products.
  private static func blockConvolution(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ view: ONNXView, _ layout: ONNXView.BlockLayout
  ) throws(ImportError) -> ONNXValue {
    let weight = try translator.weights(node, 1, rank: 4)
    let small = try ONNXWindow.window(
      node, in: translator, kernel: [weight.shape[2], weight.shape[3]], map: view.shape)
    let block = layout.block
    // Rows and columns that the view does not have would be multiplied by zeros.
    let isDense = block * block * view.base.channels <= 4 * layout.sources.count
    guard layout.channelAxis == 1, isDense, view.affine == nil, try translator.integer(node, "group", default: 1) == 1,
      let window = small.scaled(by: block), weight.shape[1] == layout.sources.count,
      [ONNXView.Source.row, .column].allSatisfy({ (view.extents[$0] ?? 1) % block == 0 })
    else {
      throw translator.unsupported(
        node,
        "its input has the pixels of blocks as channels, and it is not a dense convolution without dilation whose "
          + "padding is stated")
    }
    let (height, width) = (window.height, window.width)
    guard height <= 1024, width <= 1024 else { throw translator.bad(node, "its window is too large for blocks") }
    let channels = view.base.channels
    var values = [Float](repeating: 0, count: weight.shape[0] * height * width * channels)
    let stored = weight.contiguous().elements(as: Float.self)
    var index = 0
    for output in 0..<weight.shape[0] {
      for source in layout.sources {
        for y in 0..<small.height {
          for x in 0..<small.width {
            let row = (output * height + y * block + source.row) * width + x * block + source.column
            values[row * channels + source.channel] += stored[index]
            index += 1
          }
        }
      }
    }
    var constants = ["weight": Tensor(values, shape: [weight.shape[0], height, width, channels])]
    if translator.hasInput(node, 2) { constants["bias"] = try translator.weights(node, 2, rank: 1).contiguous() }
    return .activation(
      try translator.append(
        Convolution(window: window, groups: 1), node: node, inputs: [view.base], constants: constants))
  }

  /// The only tap of a window that reads the pixel of a 1x1 map, where the output is 1x1 as well; `nil` otherwise.
  private static func onlyTap(of window: Window) -> (row: Int, column: Int)? {
    let window = window.resolved(height: 1, width: 1)
    guard let extent = try? window.outputExtent(height: 1, width: 1), extent == (1, 1),
      window.top % window.dilationHeight == 0, window.left % window.dilationWidth == 0
    else { return nil }
    let tap = (row: window.top / window.dilationHeight, column: window.left / window.dilationWidth)
    return (0..<window.height).contains(tap.row) && (0..<window.width).contains(tap.column) ? tap : nil
  }

  /// A convolution of a pooled map, with one pixel per image, as a linear layer.
  private static func linear(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ source: ONNXActivation,
    _ constants: [String: Tensor], tap: (row: Int, column: Int)
  ) throws(ImportError) -> ONNXValue {
    guard let kernel = constants["weight"] else { throw translator.bad(node, "has no weights") }
    let (outputs, inputs) = (kernel.shape[0], kernel.shape[3])
    var linear = constants
    if kernel.shape[1] == 1, kernel.shape[2] == 1 {
      linear["weight"] = kernel.contiguous().reshaped([outputs, inputs])
    } else {
      let all = kernel.contiguous().elements(as: Float.self)
      let (taps, first) = (kernel.shape[1] * kernel.shape[2], tap.row * kernel.shape[2] + tap.column)
      var values: [Float] = []
      for output in 0..<outputs {
        let start = (output * taps + first) * inputs
        values += all[start..<start + inputs]
      }
      linear["weight"] = Tensor(values, shape: [outputs, inputs])
    }
    let output = try translator.append(Linear(), node: node, inputs: [source], constants: linear)
    translator.recordWeights(of: output, node, weight: 1, bias: 2)
    return .activation(output.with(shape: [source.shape[0], outputs, 1, 1], channelAxis: 1))
  }

  private static let batchNormalization: ONNXTranslation = { translator, node throws(ImportError) in
    guard try translator.integer(node, "training_mode", default: 0) == 0,
      try translator.integer(node, "spatial", default: 1) == 1
    else { throw translator.unsupported(node, "it is in training mode or not spatial; export the model after eval()") }
    // Before opset 14, it was in training mode where it had these outputs.
    guard node.outputs.dropFirst().allSatisfy(\.isEmpty) else {
      throw translator.unsupported(node, "it computes statistics, as in training; export the model after eval()")
    }
    let epsilon = ONNXMath.decimal(try translator.float(node, "epsilon") ?? Double(Float(1e-5)))
    guard epsilon >= 0, epsilon.isFinite else { throw translator.bad(node, "has the epsilon \(epsilon)") }
    let constants = [
      "scale": try translator.weights(node, 1, rank: 1), "shift": try translator.weights(node, 2, rank: 1),
      "mean": try translator.weights(node, 3, rank: 1), "variance": try translator.weights(node, 4, rank: 1),
    ]
    let source = try translator.activation(node, 0)
    guard source.channelAxis == 1 else {
      throw translator.unsupported(node, "its input is \(source.shape), and its channels are not on axis 1")
    }
    return .activation(
      try translator.appendKeepingShape(
        BatchNormalization(epsilon: epsilon), node: node, source, constants: constants))
  }
}

/// The attributes that convolutions and poolings share.
enum ONNXWindow {
  /// The window that a node's attributes describe.
  ///
  /// - Parameters:
  ///   - kernel: the height and width of the weight; `nil` for a pooling, which must have the attribute `kernel_shape`.
  ///   - map: the shape of the input, NCHW, from which `auto_pad` follows.
  /// - Throws: `ImportError.badNode` for invalid attributes; `.unsupportedOperator` for padding that depends on the
  ///   image size or that runtimes compute differently.
  static func window(
    _ node: ONNXModel.Node, in translator: ONNXTranslator, kernel: [Int]?, map: Shape
  ) throws(ImportError) -> Window {
    let size = try translator.integers(node, "kernel_shape", default: kernel ?? [0, 0])
    let strides = try translator.integers(node, "strides", default: [1, 1])
    let dilations = try translator.integers(node, "dilations", default: [1, 1])
    // Bounded here, so that the arithmetic below cannot overflow; the operator checks again.
    guard (size + strides + dilations).allSatisfy({ 1...1024 ~= $0 }), kernel == nil || kernel == size else {
      throw translator.bad(node, "its kernel \(size), strides \(strides) or dilations \(dilations) make no window")
    }
    var window = Window(height: size[0], width: size[1])
    (window.strideHeight, window.strideWidth) = (strides[0], strides[1])
    (window.dilationHeight, window.dilationWidth) = (dilations[0], dilations[1])
    window.ceilMode = try translator.integer(node, "ceil_mode", default: 0) != 0
    let mode = try translator.text(node, "auto_pad", default: "NOTSET")
    let pads = try translator.integers(node, "pads", default: [0, 0, 0, 0])
    guard mode == "NOTSET" || pads.allSatisfy({ $0 == 0 }) else {
      throw translator.unsupported(node, "it has both pads \(pads) and auto_pad \(mode)")
    }
    let isApart = zip(strides, size).contains { $0 > $1 + 1 }
    if mode.hasPrefix("SAME"), translator.isSizeOpen, isApart { throw disagreement(translator, node) }
    switch mode {
    case "VALID": break
    case "SAME_UPPER"
    where translator.isSizeOpen && dilations == [1, 1] && !window.ceilMode && strides.contains { $0 > 1 }:
      window.padLikeTensorFlow()
    case "SAME_UPPER", "SAME_LOWER":
      for axis in 0...1 {
        let span = (size[axis] - 1) * dilations[axis] + 1
        guard strides[axis] == 1 || span == 1 || !translator.isSizeOpen else {
          throw translator.unsupported(
            node,
            "with auto_pad and strides its padding depends on the size of the image; export the model with a fixed "
              + "height and width")
        }
        guard dilations[axis] == 1 || size[axis] == 1 else {
          throw translator.unsupported(
            node, "it has auto_pad and dilations, for which runtimes disagree on the padding")
        }
        let outputs = (map[axis + 2] + strides[axis] - 1) / strides[axis]
        let needed = (outputs - 1) * strides[axis] + span - map[axis + 2]
        guard needed >= -1 else { throw disagreement(translator, node) }
        let padding = max(0, needed)
        let (small, large) = (padding / 2, padding - padding / 2)
        let (before, after) = mode == "SAME_UPPER" ? (small, large) : (large, small)
        if axis == 0 {
          (window.top, window.bottom) = (before, after)
        } else {
          (window.left, window.right) = (before, after)
        }
      }
    case "NOTSET", "":
      guard pads.allSatisfy({ 0...1024 ~= $0 }) else { throw translator.bad(node, "cannot pad by \(pads)") }
      (window.top, window.left, window.bottom, window.right) = (pads[0], pads[1], pads[2], pads[3])
    default: throw translator.bad(node, "its auto_pad is '\(mode)'")
    }
    return window
  }

  /// Where windows lie apart, ONNX Runtime may begin inside of the map, and TensorFlow begins at the first pixel.
  private static func disagreement(_ translator: ONNXTranslator, _ node: ONNXModel.Node) -> ImportError {
    translator.unsupported(
      node, "it has auto_pad and strides larger than its window, for which runtimes disagree on the padding")
  }
}
