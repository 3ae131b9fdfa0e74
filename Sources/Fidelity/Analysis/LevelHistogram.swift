import Glibc

/// How often a layer's int8 weights take each level, counted in bins of equal width.
package struct LevelHistogram: Hashable, Sendable {
  /// The number of bins.
  package static let binCount = 32
  /// Levels per bin; the first bin begins at -128.
  package static let step = 256 / binCount

  /// The number of weights in each bin.
  package let counts: [Int]
  /// The entropy of single levels in bits: the lower bound of coding each weight separately (Shannon, "A Mathematical
  /// Theory of Communication", 1948).
  package let entropy: Double

  /// Counts the levels of all weights of a layer, in any order.
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
