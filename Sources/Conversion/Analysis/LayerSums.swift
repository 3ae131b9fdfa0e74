import Fidelity
import Graphs
import Tensors

/// Sums of squares over the values of a layer's output.
struct LayerSums: Sendable {
  /// The number of values compared.
  private var values = 0
  /// The squares of the float values.
  private var signal = 0.0
  /// The squared errors of the int8 network's values, to which all layers before contribute.
  private var cumulative = 0.0
  /// The squared errors that rounding inside the range makes of the float values.
  private var rounding: Double?
  /// The squared errors that clipping makes of the float values outside the range.
  private var clipping: Double?
  /// The number of values outside the range.
  private var saturated = 0
  /// The squared errors due to rounding the layer's weights.
  private var weights: Double?

  mutating func add(_ other: LayerSums) {
    func sum(_ a: Double?, _ b: Double?) -> Double? { a == nil && b == nil ? nil : (a ?? 0) + (b ?? 0) }
    values += other.values
    signal += other.signal
    cumulative += other.cumulative
    saturated += other.saturated
    rounding = sum(rounding, other.rounding)
    clipping = sum(clipping, other.clipping)
    weights = sum(weights, other.weights)
  }

  /// Compares a float output with the int8 network's bytes for it, in `format`.
  mutating func compare(_ floats: UnsafeBufferPointer<Float>, _ stored: [UInt8], _ format: ValueFormat) {
    // The int8 network may not have the value.
    guard !stored.isEmpty else { return }
    precondition(
      stored.count == format.byteCount(elementCount: floats.count),
      "\(stored.count) bytes for \(floats.count) values of format \(format.name)")
    values += floats.count
    var (signal, error) = (0.0, 0.0)
    func add(_ index: Int, _ value: Float) {
      let exact = Double(floats[index])
      signal += exact * exact
      error += (exact - Double(value)) * (exact - Double(value))
    }
    stored.withUnsafeBytes { bytes in
      switch format {
      case .float32:
        for index in floats.indices { add(index, bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)) }
      case .uint8(let parameters):
        for index in floats.indices { add(index, parameters.dequantize(bytes[index])) }
      case .uint8WithRemainder(let parameters):
        for index in floats.indices {
          let remainder = Float(Int(bytes[floats.count + index]) - 128)
          add(index, parameters.dequantize(bytes[index]) + parameters.scale * remainder / 256)
        }
      }
    }
    self.signal += signal
    cumulative += error
  }

  /// Measures quantising a float output alone: errors of values inside the range are due to rounding, those of values
  /// outside are due to clipping.
  mutating func quantize(
    _ floats: UnsafeBufferPointer<Float>, _ parameters: QuantizationParameters, withRemainder: Bool
  ) {
    var (inside, outside, count) = (0.0, 0.0, 0)
    let range = parameters.range
    for value in floats {
      guard value >= range.lowerBound, value <= range.upperBound else {
        let error = Double(value) - Double(value < range.lowerBound ? range.lowerBound : range.upperBound)
        outside += error * error
        count += 1
        continue
      }
      // A remainder counts in 1/256 of a step.
      let step = withRemainder ? parameters.scale / 256 : parameters.scale
      let error = Double(value) - Double(step * (value / step).rounded(.toNearestOrEven))
      inside += error * error
    }
    rounding = (rounding ?? 0) + inside
    clipping = (clipping ?? 0) + outside
    saturated += count
  }

  /// Compares a layer's outputs with float weights and with rounded weights, for the same input.
  mutating func compareWeights(_ floats: [Float], _ others: UnsafeBufferPointer<Float>) {
    var error = 0.0
    for (a, b) in zip(floats, others) { error += (Double(a) - Double(b)) * (Double(a) - Double(b)) }
    weights = (weights ?? 0) + error
  }

  /// Sets a layer's noises, each a share of the signal's power, and its share of saturated values.
  func fill(_ layer: inout LayerLoss) {
    func noise(_ error: Double?) -> Double? {
      guard let error, values > 0 else { return nil }
      return error == 0 ? 0 : signal > 0 ? error / signal : nil
    }
    layer.cumulativeNoise = noise(cumulative)
    layer.roundingNoise = noise(rounding)
    layer.clippingNoise = noise(clipping)
    layer.weightNoise = noise(weights)
    if rounding != nil, values > 0 { layer.saturatedShare = Double(saturated) / Double(values) }
  }
}
