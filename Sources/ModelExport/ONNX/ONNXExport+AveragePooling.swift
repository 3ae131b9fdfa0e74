import Graphs
import Operators
import Tensors

/// By `formats/package.md`, "Elementwise", quern computes the sum of the levels of the taps that count, divided by
/// their number and rounded once, ties to even. ONNX Runtime's AveragePool computes this exactly on whole numbers in
/// float. Between DequantizeLinear and QuantizeLinear it would be replaced by an integer kernel that multiplies by 1 /
/// n. That kernel rounds a third of the ties the wrong way with 14 taps, and divides windows that end outside the map
/// by the number of all their taps. A rounding before QuantizeLinear prevents the replacement.
extension AveragePooling: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let levels = exporter.inputMovedLevels(node)
    let zero = exporter.inputFormat(node).quantization.map { Float($0.zeroPoint) } ?? 0
    let input = exporter.cut(levels ?? exporter.input(node), for: window, name: "\(node.name).cut")
    let isDilated = window.dilationHeight != 1 || window.dilationWidth != 1
    let mean = isDilated ? try quotient(node, input, zero, &exporter) : pool(node, input, zero, &exporter)
    guard levels != nil else { return .real(mean) }
    return .movedLevels(exporter.builder.node("Round", name: "\(node.name).rounded", inputs: [mean]))
  }

  /// The rows and columns of padding that count as zeros.
  private var counted: MapMargins {
    guard countsPadding else { return MapMargins() }
    return MapMargins(
      top: max(window.top, 0), left: max(window.left, 0), bottom: max(window.bottom, 0), right: max(window.right, 0))
  }

  /// Pools by AveragePool, with a separate node for padding that counts: ONNX Runtime would pad with 0 instead of the
  /// zero point.
  private func pool(_ node: Node, _ input: String, _ zero: Float, _ exporter: inout ONNXExporter) -> String {
    let padded = exporter.pad(input, counted, with: zero, name: "\(node.name).padded")
    var inner = window
    if countsPadding { (inner.top, inner.left, inner.bottom, inner.right) = (0, 0, 0, 0) }
    let attributes = inner.onnxAttributes + [("count_include_pad", .int(0))]
    let pooled = exporter.builder.node("AveragePool", name: node.name, inputs: [padded], attributes: attributes)
    return mayBeginInPadding ? trim(node, pooled, input, &exporter) : pooled
  }

  /// Pools dilated windows, which AveragePool supports only from operator set 19 on: the sums are a convolution with
  /// ones, and are divided by the number of taps that count, which is the same convolution of a map of ones.
  private func quotient(
    _ node: Node, _ input: String, _ zero: Float, _ exporter: inout ONNXExporter
  ) throws(ExportError) -> String {
    guard let channels = exporter.channels(of: node.inputs[0]) else {
      throw .malformed(node: node.name, problem: "its input is not a map")
    }
    var inner = window
    if countsPadding { (inner.top, inner.left, inner.bottom, inner.right) = (0, 0, 0, 0) }
    if window.ceilMode {
      // Taps beyond the padding do not count. Windows that begin there are trimmed.
      inner.ceilMode = false
      (inner.bottom, inner.right) = (
        max(inner.bottom, 0) + window.strideHeight - 1, max(inner.right, 0) + window.strideWidth - 1
      )
    }
    func sum(_ map: String, channels: Int, name: String) -> String {
      let ones = [Float](repeating: 1, count: channels * window.taps)
      let weight = exporter.builder.initializer(
        "\(name)_weight", Tensor(ones, shape: [channels, 1, window.height, window.width]))
      return exporter.builder.node(
        "Conv", name: name, inputs: [map, weight], attributes: inner.onnxAttributes + [("group", .int(channels))])
    }
    let padded = exporter.pad(input, counted, with: zero, name: "\(node.name).padded")
    let sums = sum(padded, channels: channels, name: "\(node.name).sums")
    let counts = sum(
      exporter.mapOfOnes(like: padded, name: "\(node.name).ones"), channels: 1, name: "\(node.name).counts")
    let mean = exporter.builder.node("Div", name: node.name, inputs: [sums, counts])
    return window.ceilMode ? trim(node, mean, input, &exporter) : mean
  }

  /// Whether ceil mode could give a window that begins in the padding at the bottom or the right, which quern does not
  /// have.
  private var mayBeginInPadding: Bool {
    window.ceilMode && countsPadding
      && (counted.bottom + window.strideHeight > window.height || counted.right + window.strideWidth > window.width)
  }

  /// Keeps the windows that begin in the map or in the padding before it: the first `ceil((extent + before) / stride)`,
  /// or all if there are fewer.
  private func trim(_ node: Node, _ pooled: String, _ input: String, _ exporter: inout ONNXExporter) -> String {
    let before = [max(window.top, 0), max(window.left, 0)]
    let strides = [window.strideHeight, window.strideWidth]
    let shape = exporter.builder.node("Shape", name: "\(node.name).shape", inputs: [input])
    let extents = exporter.builder.node(
      "Gather", name: "\(node.name).extents", inputs: [shape, exporter.spatialAxes])
    let reach = exporter.builder.initializer(
      "\(node.name).reach", Tensor(zip(before, strides).map { Int64($0 + $1 - 1) }))
    let step = exporter.builder.initializer("\(node.name).strides", Tensor(strides.map { Int64($0) }))
    let sum = exporter.builder.node("Add", name: "\(node.name).reached", inputs: [extents, reach])
    let ends = exporter.builder.node("Div", name: "\(node.name).windows", inputs: [sum, step])
    return exporter.builder.node(
      "Slice", name: "\(node.name).trimmed", inputs: [pooled, exporter.corner, ends, exporter.spatialAxes])
  }
}

extension ONNXExporter {
  /// Pads a map with a number.
  fileprivate mutating func pad(_ map: String, _ margins: MapMargins, with fill: Float, name: String) -> String {
    guard margins != MapMargins() else { return map }
    let pads = [0, 0, margins.top, margins.left, 0, 0, margins.bottom, margins.right].map { Int64($0) }
    let inputs = [
      map, builder.initializer("\(name)_pads", Tensor(pads)),
      builder.initializer("\(name)_value", Tensor([fill], shape: [])),
    ]
    return builder.node("Pad", name: name, inputs: inputs)
  }

  /// A map of one channel that is 1 everywhere, with the height and the width of another map.
  fileprivate mutating func mapOfOnes(like map: String, name: String) -> String {
    let shape = builder.node("Shape", name: "\(name)_extents", inputs: [map])
    let extents = builder.node("Gather", name: "\(name)_spatial", inputs: [shape, spatialAxes])
    let leading = builder.sharedInitializer("one_by_one", Tensor([Int64(1), 1]))
    let target = builder.node(
      "Concat", name: "\(name)_shape", inputs: [leading, extents], attributes: [("axis", .int(0))])
    return builder.node("Expand", name: name, inputs: [one, target])
  }
}
