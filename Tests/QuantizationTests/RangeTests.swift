import Calibration
import Quantization
import ReferenceOperators
import Tensors
import Testing

@Suite struct RangeTests {
  static let distributions: [(String, @Sendable (inout SplitMix64) -> Float)] = [
    ("uniform", { Float.random(in: -1...3, using: &$0) }),
    ("normal", normal),
    ("normal after ReLU", { max(normal(&$0), 0) }),
    (
      "heavy tails",
      {
        let x = normal(&$0)
        return x * x * x
      }
    ),
    (
      "heavy tails after ReLU",
      {
        let x = max(normal(&$0), 0)
        return x * x * x * 10
      }
    ),
    ("negative only", { -abs(normal(&$0)) - 0.5 }),
    ("positive, far from zero", { 5 + 0.1 * normal(&$0) }),
    ("outliers", { $0.chance(0.01) ? 40 * normal(&$0) : normal(&$0) }),
    ("two clusters", { $0.chance(0.5) ? 3 + 0.01 * normal(&$0) : -7 + 0.01 * normal(&$0) }),
    ("large", { 8_000 * normal(&$0) }),
    ("small", { 0.002 * normal(&$0) }),
  ]

  /// Box and Muller's method is not needed where a sum of uniform numbers will do.
  @Sendable private static func normal(_ random: inout SplitMix64) -> Float {
    (0..<12).reduce(Float(0)) { sum, _ in sum + Float.random(in: -0.5...0.5, using: &random) }
  }

  private static func sample(_ name: String, count: Int) throws -> [Float] {
    let draw = try #require(distributions.first { $0.0 == name }).1
    var random = SplitMix64(seed: 42)
    return (0..<count).map { _ in draw(&random) }
  }

  private static func histogram(_ values: [Float]) -> ActivationHistogram {
    var histogram = ActivationHistogram()
    histogram.count(values)
    return histogram
  }

  /// The squared error of rounding to the levels, relative to the mean square of each image's values and summed over
  /// the images, where clipping weighs more.
  private static func error(_ images: [[Float]], _ parameters: QuantizationParameters) -> Double {
    let range = parameters.range
    return images.reduce(0) { sum, image in
      let power = image.reduce(0) { $0 + Double($1) * Double($1) } / Double(image.count)
      return image.reduce(sum) { sum, value in
        let difference = Double(value) - Double(parameters.dequantize(parameters.quantize(value)))
        let isClipped = value < range.lowerBound || value > range.upperBound
        return sum + (isClipped ? RangeSearch.clippingWeight : 1) * difference * difference / power
      }
    }
  }

  /// Both ends over the same grid as the search, on the values instead of their histogram. The images are alike, or
  /// differ in magnitude.
  @Test(arguments: distributions.map(\.0), [[1, 1, 1], [0.1, 0.01, 1]] as [[Float]])
  func theSearchFindsWhatBruteForceFinds(name: String, scales: [Float]) throws {
    let values = try Self.sample(name, count: 2100)
    let images = scales.enumerated().map { index, scale in values[700 * index..<700 * (index + 1)].map { $0 * scale } }
    var histogram = ActivationHistogram()
    for image in images { histogram.count(image) }
    let found = Self.error(images, histogram.parameters(.meanSquaredError))
    let all = images.joined()
    let (low, high) = (min(all.min() ?? 0, 0), max(all.max() ?? 0, 0))
    var best = Double.infinity
    for lower in stride(from: 100, through: low < 0 ? 5 : 100, by: -2) {
      for upper in stride(from: 100, through: high > 0 ? 5 : 100, by: -2) {
        best = min(
          best,
          Self.error(images, QuantizationParameters(covering: low * Float(lower) / 100, high * Float(upper) / 100)))
      }
    }
    // Bins are 1/128 of their value wide, and values uniform inside them only about.
    #expect(found <= 1.1 * best, "error \(found), at best \(best)")
    #expect(found <= 1.02 * Self.error(images, histogram.parameters(.minMax)))
  }

  @Test(arguments: distributions.map(\.0))
  func minMaxCoversEverything(name: String) throws {
    let values = try Self.sample(name, count: 3000)
    let parameters = Self.histogram(values).parameters(.minMax)
    let (low, high) = (try #require(values.min()), try #require(values.max()))
    // The zero point is rounded, so an end may lie half a step outside.
    let step = parameters.scale
    #expect(parameters.range.lowerBound <= min(low, 0) + 0.51 * step)
    #expect(parameters.range.upperBound >= max(high, 0) - 0.51 * step)
    #expect(step == QuantizationParameters(covering: low, high).scale)
    #expect(values.allSatisfy { abs(parameters.dequantize(parameters.quantize($0)) - $0) <= 1.01 * step })
  }

  @Test(arguments: distributions.map(\.0), [99.0, 99.9, 100])
  func percentilesAreThoseOfTheValues(name: String, share: Double) throws {
    let values = try Self.sample(name, count: 20_000).sorted()
    let parameters = Self.histogram(values).parameters(.percentile(share))
    let tail = Int((100 - share) / 100 * Double(values.count))
    let (low, high) = (values[tail], values[values.count - 1 - tail])
    let expected = QuantizationParameters(covering: low, high)
    // Within a bin, which is 1/128 of its value, and a few ranks.
    let slack: Float = share == 100 ? 1e-5 : 0.1
    #expect(abs(parameters.scale - expected.scale) <= slack * expected.scale)
  }

  @Test(arguments: [RangeMethod.minMax, .percentile(99.99), .meanSquaredError])
  func degenerateTensorsGetUsableParameters(method: RangeMethod) {
    // Never seen, and never finite.
    #expect(ActivationHistogram().parameters(method) == QuantizationParameters(scale: 1, zeroPoint: 0))
    #expect(Self.histogram([.nan, .infinity]).parameters(method) == QuantizationParameters(scale: 1, zeroPoint: 0))
    // Zero everywhere.
    let zeros = Self.histogram([Float](repeating: 0, count: 100) + [-0.0]).parameters(method)
    #expect(zeros == QuantizationParameters(scale: 1, zeroPoint: 0))
    // One value.
    for value: Float in [3, -3, 1e-5, 1e6, -1e6, 1, 0x1p-16] {
      let parameters = Self.histogram([Float](repeating: value, count: 50)).parameters(method)
      let restored = parameters.dequantize(parameters.quantize(value))
      #expect(abs(restored - value) <= 0.01 * abs(value), "\(value)")
      #expect(parameters.zeroPoint == (value < 0 ? 255 : 0))
    }
    // Beyond what a normal scale can hold.
    let tiny = Self.histogram([.leastNonzeroMagnitude, 0]).parameters(method)
    #expect(tiny.scale.isNormal)
    let huge = Self.histogram([-.greatestFiniteMagnitude, .greatestFiniteMagnitude]).parameters(.minMax)
    #expect(huge.scale.isFinite)
  }
}

@Suite struct WeightQuantizerTests {
  @Test(arguments: 0..<50)
  func errorsAreAtMostHalfAStep(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    let shape: Shape = [random.int(1...20), random.pick([1, 3]), random.pick([1, 3]), random.int(1...20)]
    let spread: Float = random.pick([1e-6, 0.01, 1, 1e5])
    var values = random.floats(shape.elementCount, -spread...spread)
    let length = shape.elementCount / shape[0]
    let dead = random.chance(0.5) ? random.int(0...shape[0] - 1) : nil
    if let dead { for index in dead * length..<(dead + 1) * length { values[index] = 0 } }
    let quantized = WeightQuantizer.quantize(Tensor(values, shape: shape))
    let levels = quantized.weight.elements(as: Int8.self)
    #expect(quantized.weight.shape == shape && quantized.scale.count == shape[0])
    for channel in 0..<shape[0] {
      let scale = quantized.scale[channel]
      let range = channel * length..<(channel + 1) * length
      #expect(scale > 0 && scale.isNormal)
      for index in range {
        #expect(levels[index] >= -127)
        let difference = abs(Double(values[index]) - Double(scale) * Double(levels[index]))
        #expect(difference <= Double(scale) * 0.5 * (1 + 1e-4))
      }
      if channel == dead {
        #expect(scale == 1 && levels[range].allSatisfy { $0 == 0 })
      } else {
        #expect(levels[range].contains { abs($0) == 127 }, "the scale is larger than it need be")
      }
    }
  }

  @Test func minimumScalesHold() {
    let weight = Tensor([1, -1, 0, 0, 0.5, 0.25] as [Float], shape: [3, 2])
    let quantized = WeightQuantizer.quantize(weight, minimumScale: [0.5, 0.125, 0])
    #expect(quantized.scale == [0.5, 0.125, 0.5 / 127])
    #expect(quantized.weight.elements(as: Int8.self) == [2, -2, 0, 0, 127, 64])
  }

  @Test func noChannelsAndHugeWeightsAreNoProblem() {
    #expect(WeightQuantizer.quantize(Tensor([Float](), shape: [0, 3])).scale.isEmpty)
    let quantized = WeightQuantizer.quantize(
      Tensor([.greatestFiniteMagnitude, -1e38, .leastNonzeroMagnitude] as [Float], shape: [1, 3]))
    #expect(quantized.weight.elements(as: Int8.self) == [127, -37, 0])
  }
}
