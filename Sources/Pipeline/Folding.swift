import Graphs
import Passes
import Runtime
import Tensors

/// The folded graph and the proof that it computes what the imported one does: both run in float on a probe, and the
/// largest difference of any output, relative to that output's largest magnitude, is kept.
struct Folding {
  let graph: Graph
  let notes: [String]
  let difference: Float

  /// Float rounding in networks of this depth stays well below it; a wrong fold is far above.
  static let tolerance: Float = 1e-4

  /// - Throws: `PipelineError.foldingMismatch` where the difference is more than rounding explains.
  init(_ imported: ImportedCheckpoint, side: Int) throws {
    // One executable at a time, so that only one copy of the weights is ready to run.
    let before = try Self.probe(imported.graph, side: side)
    imported.checkpoint.releasePages()
    (graph, notes) = try PassPipeline.fold.run(imported.graph)
    let after = try Self.probe(graph, side: side)
    var difference: Float = 0
    for (name, expected) in before {
      guard let actual = after[name], actual.count == expected.count else {
        throw PipelineError.foldingMismatch(difference: .infinity)
      }
      let largest = expected.reduce(Float.leastNormalMagnitude) { max($0, abs($1)) }
      for (a, b) in zip(expected, actual) { difference = max(difference, abs(a - b) / largest) }
    }
    guard difference <= Self.tolerance else { throw PipelineError.foldingMismatch(difference: difference) }
    self.difference = difference
  }

  /// The outputs for two pictures of smooth random waves, which excite all frequencies that photographs do.
  private static func probe(_ graph: Graph, side: Int) throws -> [String: [Float]] {
    let session = Session(try Executable(graph))
    let shape: Shape = [2, side, side, 3]
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    let input = Tensor(shape: shape, of: Float.self) { values in
      for index in values.indices {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        // Noise of unit variance, near enough, on a gradient.
        let noise = Float(state >> 40) / Float(1 << 24) * 3.46 - 1.73
        values[index] = noise + Float(index % (side * 3)) / Float(side * 3) - 0.5
      }
    }
    return try session.run(normalized: input).mapValues { $0.elements(as: Float.self) }
  }
}
