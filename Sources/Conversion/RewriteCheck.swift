import Graphs
import Pixels
import Runtime
import Tensors
import Threads

/// Compares rewritten graphs with the imported one. All run in float on a probe, a typical input image. The measure is
/// the largest difference of any output, relative to that output's largest magnitude.
///
/// Each graph normalises the probe with its own preprocessing, because passes may move a normalisation layer into it.
///
/// Deep networks magnify rounding errors, especially where they are untrained or run on images unlike the training set.
/// To measure by how much, the imported graph runs once more with every input value moved by a few units in the last
/// place.
struct RewriteCheck {
  private let image: RGBImage
  private let expected: [String: [Float]]
  private let allowed: Float
  private let threads: Int

  /// The allowed difference for networks that do not magnify rounding, and the maximum for those that do. A wrong
  /// rewrite is far above either.
  static let (tolerance, maxTolerance): (Float, Float) = (1e-4, 1e-2)
  /// How many times the effect of the moved input is allowed, because rounding happens in every layer.
  static let magnification: Float = 8

  /// - Parameters:
  ///   - graph: the imported graph.
  ///   - image: the probe.
  /// - Throws: `ConversionError.notFinite` where the network computes NaN or infinity for the probe.
  init(_ graph: Graph, probe image: RGBImage, threads: Int) throws {
    (self.image, self.threads) = (image, threads)
    let input = Self.normalized(image, graph.preprocessing)
    // The executable is freed here, before weights are packed for another one.
    let outputs = try Self.outputs(
      try Executable(graph, threads: threads), [input, Self.moved(input)], threads: threads)
    expected = outputs[0]
    try Self.checkFinite(expected, "the float network computes")
    allowed = max(
      Self.tolerance, min(Self.magnification * Self.difference(outputs[0], outputs[1]), Self.maxTolerance))
  }

  /// The largest difference between the outputs of a rewritten network and those of the imported one.
  ///
  /// - Parameter rewrite: the rewrite as a noun, for the error.
  /// - Throws: `ConversionError.notEquivalent` where the difference is larger than rounding explains; `.notFinite`
  ///   where the rewritten network computes NaN or infinity, as its weights are products of those of the imported one.
  func difference(of rewritten: Executable, after rewrite: String) throws -> Float {
    let input = Self.normalized(image, rewritten.graph.preprocessing)
    let actual = try Self.outputs(rewritten, [input], threads: threads)[0]
    try Self.checkFinite(actual, "after \(rewrite), the float network computes")
    let difference = Self.difference(expected, actual)
    guard difference <= allowed else { throw ConversionError.notEquivalent(after: rewrite, difference: difference) }
    return difference
  }

  private static func checkFinite(_ outputs: [String: [Float]], _ subject: String) throws(ConversionError) {
    for (name, values) in outputs.sorted(by: { $0.key < $1.key }) where !values.allSatisfy(\.isFinite) {
      throw .notFinite(
        "\(subject) NaN or infinity in '\(name)' for a calibration image: weights are too large for float32, a running "
          + "variance is negative, or the exponent of pooling is extreme")
    }
  }

  private static func normalized(_ image: RGBImage, _ preprocessing: Preprocessing) -> Tensor {
    Tensor(shape: [1, image.height, image.width, 3], of: Float.self) { values in
      image.pixels.withUnsafeBufferPointer { preprocessing.normalize($0, into: values) }
    }
  }

  /// Every value moved up or down by four units in the last place.
  private static func moved(_ input: Tensor) -> Tensor {
    Tensor(
      input.elements(as: Float.self).enumerated().map { $1 * ($0 % 3 == 0 ? 1 + 0x1p-21 : 1 - 0x1p-21) },
      shape: input.shape)
  }

  /// The largest difference of any output, relative to the largest magnitude of that output.
  private static func difference(_ a: [String: [Float]], _ b: [String: [Float]]) -> Float {
    var difference: Float = 0
    for (name, expected) in a {
      guard let actual = b[name], actual.count == expected.count else { return .infinity }
      let largest = expected.reduce(Float.leastNormalMagnitude) { max($0, abs($1)) }
      for (a, b) in zip(expected, actual) {
        let distance = abs(a - b) / largest
        difference = distance <= difference ? difference : distance
      }
    }
    return difference
  }

  /// The outputs of a network for each input.
  private static func outputs(_ network: Executable, _ inputs: [Tensor], threads: Int) throws -> [[String: [Float]]] {
    let session = Session(network, team: ThreadTeam(count: threads))
    return try inputs.map { try session.run(normalized: $0).mapValues { $0.elements(as: Float.self) } }
  }
}
