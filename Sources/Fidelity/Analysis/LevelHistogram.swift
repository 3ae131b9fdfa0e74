import Glibc

/// How often a layer's int8 weights take which levels.
package struct LevelHistogram: Hashable, Sendable {
  package static let binCount = 32
  /// Levels in a bin; the first bin begins at -128.
  package static let step = 256 / binCount

  /// Weights in each bin.
  package let counts: [Int]
  /// The entropy of single levels in bits: what coding each weight by itself could come down to (Shannon, "A Mathematical
  /// Theory of Communication", 1948).
  package let entropy: Double

  package init(_ levels: [Int8]) {
    var levelCounts = [Int](repeating: 0, count: 256)
    for level in levels { levelCounts[Int(level) + 128] += 1 }
    counts = stride(from: 0, to: 256, by: Self.step).map { levelCounts[$0..<$0 + Self.step].reduce(0, +) }
    let total = Double(levelCounts.reduce(0, +))
    entropy = levelCounts.reduce(0) { sum, count in
      count == 0 ? sum : sum - Double(count) / total * log2(Double(count) / total)
    }
  }
}
