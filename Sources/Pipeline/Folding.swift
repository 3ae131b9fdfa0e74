import Graphs
import Images
import Passes
import Runtime
import Tensors

/// The folded graph and the proof that it computes what the imported one does: both run in float on a probe, an image of
/// the kind the network is for, and the largest difference of any output, relative to that output's largest magnitude, is
/// kept.
///
/// Deep networks magnify rounding, untrained ones and images unlike the training set's more than others. How much is
/// measured: the imported graph is run once more with every input value moved by a few units in its last place.
struct Folding {
  /// The folded graph, ready to run.
  let executable: Executable
  let notes: [String]
  let difference: Float

  /// What is allowed where the network does not magnify rounding, and at most; a wrong fold is far above either.
  static let (tolerance, greatestTolerance): (Float, Float) = (1e-4, 1e-2)
  /// What is allowed beside the effect of the moved input: rounding happens in every layer.
  static let magnification: Float = 8

  /// - Throws: `PipelineError.foldingMismatch` where the difference is more than rounding explains.
  init(_ imported: ImportedCheckpoint, probe image: RGBImage) throws {
    let shape: Shape = [1, image.height, image.width, 3]
    let preprocessing = imported.graph.preprocessing
    let input = Tensor(shape: shape, of: Float.self) { values in
      image.pixels.withUnsafeBufferPointer { preprocessing.normalize($0, into: values) }
    }
    // One executable at a time, so that only one copy of the weights is ready to run.
    let before = try Self.outputs(try Executable(imported.graph), [input, Self.moved(input)])
    imported.checkpoint.releasePages()
    let (graph, notes) = try PassPipeline.fold.run(imported.graph, afterEachPatch: imported.checkpoint.releasePages)
    self.notes = notes
    executable = try Executable(graph)
    let after = try Self.outputs(executable, [input])
    let tolerance = max(
      Self.tolerance, min(Self.magnification * Self.difference(before[0], before[1]), Self.greatestTolerance))
    difference = Self.difference(before[0], after[0])
    guard difference <= tolerance else { throw PipelineError.foldingMismatch(difference: difference) }
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

  private static func outputs(_ executable: Executable, _ inputs: [Tensor]) throws -> [[String: [Float]]] {
    let session = Session(executable)
    return try inputs.map { try session.run(normalized: $0).mapValues { $0.elements(as: Float.self) } }
  }
}
