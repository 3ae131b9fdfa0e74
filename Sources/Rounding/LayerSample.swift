import Graphs
import Operators
import Runtime
import Tensors

/// Sampled positions of a convolution's output, and the values there in two networks that run side by side.
struct LayerSample {
  /// An image, and a row and a column of its output map.
  private struct Position {
    let image: Int
    let y: Int
    let x: Int
  }

  private let positions: [Position]
  private let node: Node
  private let layer: LayerGeometry
  private let quantized: StepwiseRun
  private let float: StepwiseRun

  var count: Int { positions.count }

  /// - Parameters:
  ///   - node: the node of the quantised graph; its output has the same number in the float graph.
  ///   - rows: the number of positions to sample, at most all; those of an image are contiguous.
  init(_ node: Node, _ layer: LayerGeometry, rows: Int, quantized: StepwiseRun, float: StepwiseRun) {
    (self.node, self.layer, self.quantized, self.float) = (node, layer, quantized, float)
    let perImage = (rows + float.imageCount - 1) / max(float.imageCount, 1)
    positions = (0..<float.imageCount).flatMap { image -> [Position] in
      guard let shape = float.map(of: node.output, image: image)?.shape, shape.rank == 4 else { return [] }
      let all = shape.height * shape.width
      let count = min(perImage, all)
      return (0..<count).map { index in
        let position = LayerInputs.position(index, of: count, among: all, image: image)
        return Position(image: image, y: position / shape.width, x: position % shape.width)
      }
    }
  }

  /// The float network's outputs, [rows][outputs]; if requested, minus the residual that the quantised network adds.
  func outputs(_ channels: Range<Int>, withoutResidual: Bool) -> Matrix {
    let result = Matrix(rows: count, columns: channels.count)
    let added = Matrix(rows: 1, columns: channels.count)
    for (row, position) in positions.enumerated() {
      let (image, y, x) = (position.image, position.y, position.x)
      let line = result.row(row)
      MapReader(float, node.output, image: image)?.read(y: y, x: x, channels, to: line)
      guard withoutResidual, node.inputs.count == 2,
        let residual = MapReader(
          quantized, node.inputs[1], image: image,
          readsRemainders: quantized.graph.readsRemainder(node, ofInput: 1))
      else { continue }
      residual.read(y: y, x: x, channels, to: added.values)
      for channel in 0..<channels.count { line[channel] -= added.values[channel] }
    }
    return result
  }

  /// Some channels of the patches that the quantised network reads, in steps from the zero point, [rows][taps x
  /// channels].
  ///
  /// - Parameter outside: the padding value of each channel, in steps from the zero point.
  func patches(_ channels: Range<Int>, outside: [Float]) -> Matrix {
    let input = node.inputs[0]
    let readsRemainders = quantized.graph.readsRemainder(node, ofInput: 0)
    let result = Matrix(rows: count, columns: layer.taps * channels.count)
    for (row, position) in positions.enumerated() {
      guard
        let map = MapReader(quantized, input, image: position.image, readsRemainders: readsRemainders, inSteps: true)
      else { continue }
      let window = layer.window.resolved(height: map.shape.height, width: map.shape.width)
      var target = result.row(row)
      for ky in 0..<window.height {
        let y = position.y * window.strideHeight - window.top + ky * window.dilationHeight
        for kx in 0..<window.width {
          let x = position.x * window.strideWidth - window.left + kx * window.dilationWidth
          if (0..<map.shape.height).contains(y), (0..<map.shape.width).contains(x) {
            map.read(y: y, x: x, channels, to: target)
          } else {
            for (index, channel) in channels.enumerated() { target[index] = outside[channel] }
          }
          target += channels.count
        }
      }
    }
    return result
  }
}

/// A map of one image as real values: float, or uint8 levels with or without their remainders.
private struct MapReader {
  let shape: Shape
  private let bytes: UnsafeRawBufferPointer
  private let parameters: QuantizationParameters?
  private let hasRemainders: Bool

  /// - Parameter inSteps: whether values of a uint8 map are in steps from the zero point rather than in real units.
  init?(_ run: StepwiseRun, _ value: ValueID, image: Int, readsRemainders: Bool = false, inSteps: Bool = false) {
    guard let map = run.map(of: value, image: image) else { return nil }
    (shape, bytes) = map
    let format = run.graph.format(of: value)
    parameters = format.quantization.map {
      inSteps ? QuantizationParameters(scale: 1, zeroPoint: $0.zeroPoint) : $0
    }
    hasRemainders = readsRemainders && !format.isPlainUInt8
  }

  /// Writes some channels of a pixel to `target`.
  func read(y: Int, x: Int, _ channels: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    let first = (y * shape.width + x) * shape.channels + channels.lowerBound
    guard let parameters else {
      let floats = bytes.bindMemory(to: Float.self)
      for index in 0..<channels.count { target[index] = floats[first + index] }
      return
    }
    let (scale, zero) = (parameters.scale, Float(parameters.zeroPoint))
    for index in 0..<channels.count { target[index] = scale * (Float(bytes[first + index]) - zero) }
    guard hasRemainders else { return }
    let (remainders, remainderZero) = (first + shape.elementCount, Float(ActivationLayout.remainderZeroPoint))
    for index in 0..<channels.count {
      target[index] += scale / 256 * (Float(bytes[remainders + index]) - remainderZero)
    }
  }
}
