import Fidelity
import Inference

/// The largest differences between a network's outputs and a framework's, over any number of rows. The order in which
/// rows are added and differences merged does not matter.
struct OutputDifference: Sendable {
  private var embedding: Double?
  private var logits: Double?
  private var largestLogit = 0.0

  /// Adds a row. Outputs that the framework does not give (`nil`) are not compared.
  mutating func add(_ outputs: ImageOutputs, expectedEmbedding: [Float]?, expectedLogits: [Float]?) {
    if let expectedEmbedding {
      embedding = max(embedding ?? 0, Self.largest(outputs.embedding, expectedEmbedding))
    }
    if let expectedLogits {
      logits = max(logits ?? 0, Self.largest(outputs.logits, expectedLogits))
      largestLogit = expectedLogits.reduce(largestLogit) { max($0, Double(abs($1))) }
    }
  }

  mutating func merge(_ other: OutputDifference) {
    embedding = [embedding, other.embedding].compactMap { $0 }.max()
    logits = [logits, other.logits].compactMap { $0 }.max()
    largestLogit = max(largestLogit, other.largestLogit)
  }

  /// The differences so far: that of embeddings is absolute, that of logits a share of the framework's largest |logit|.
  /// Where all of its logits are 0, any difference is infinite.
  var differences: ReferenceCheck.Differences {
    ReferenceCheck.Differences(
      embedding: embedding,
      logits: logits.map { $0 == 0 ? 0 : largestLogit > 0 && $0.isFinite ? $0 / largestLogit : .infinity })
  }

  /// The largest absolute difference; infinite where a difference is not finite, or the vectors differ in length.
  private static func largest(_ a: [Float], _ b: [Float]) -> Double {
    guard a.count == b.count else { return .infinity }
    var result = 0.0
    for (x, y) in zip(a, b) {
      let difference = abs(Double(x) - Double(y))
      guard difference.isFinite else { return .infinity }
      result = max(result, difference)
    }
    return result
  }
}
