import Fidelity
import Inference

/// The largest differences between a network's outputs and a framework's, over any number of rows; merging has no order.
struct OutputDifference: Sendable {
  private var embedding: Double?
  private var logits: Double?
  private var largestLogit = 0.0

  /// Adds a row; what the framework does not give is not compared.
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

  /// Logits that are all zero have no scale: then only equal ones do not differ.
  var differences: ReferenceCheck.Differences {
    ReferenceCheck.Differences(
      embedding: embedding,
      logits: logits.map { $0 == 0 ? 0 : largestLogit > 0 && $0.isFinite ? $0 / largestLogit : .infinity })
  }

  /// Infinite where a value is not finite, or the numbers of values differ.
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
