import Fidelity

/// The choice of one exponent of a grid by a score of images, and what cross-validation says about it.
package struct ExponentChoice: Hashable, Sendable {
  /// The exponent with the highest mean score over all images.
  package let exponent: Double
  /// For each fold, the exponent that all images outside of it choose.
  package let foldExponents: [Double]
  /// The mean score of images by exponents that were chosen without them, so that the choice does not flatter it.
  package let heldOut: Estimate
  /// By how much `heldOut` exceeds the mean score by the exponent that the network has itself.
  package let gain: Estimate
  /// Whether `gain` is above 0 for all images, judged by its confidence interval.
  package var isGain: Bool { gain.interval.map { $0.low > 0 } ?? false }
  /// Whether the exponent is the smallest or the greatest of the grid, beyond which others may be better.
  package let isAtEnd: Bool

  /// The number of folds, where there are as many images.
  package static let folds = 5

  /// Chooses an exponent. Image i is in fold i modulo 5, so that images sorted by class are spread over all folds.
  ///
  /// - Parameters:
  ///   - exponents: ascending.
  ///   - scores: for each exponent, a score for each image; the higher, the better.
  ///   - own: the index of the exponent that the network has itself, which wins against others with equal scores; of
  ///     these, the one nearest to it wins, and then the smaller.
  /// - Returns: `nil` for fewer than two images.
  package init?(_ exponents: [Double], scores: [[Double]], own: Int) {
    let count = scores.first?.count ?? 0
    precondition(scores.count == exponents.count && scores.allSatisfy { $0.count == count }, "a score for each image")
    precondition(exponents.indices.contains(own), "the network's exponent is one of the grid")
    guard count > 1 else { return nil }
    let folds = min(Self.folds, count)
    func best(without fold: Int?) -> Int {
      let images = (0..<count).filter { $0 % folds != fold }
      let means = scores.map { row in images.reduce(0) { $0 + row[$1] } / Double(images.count) }
      return exponents.indices.max { a, b in
        means[a] != means[b]
          ? means[a] < means[b] : (abs(a - own), a) > (abs(b - own), b)
      } ?? own
    }
    let chosen = best(without: nil)
    let byFold = (0..<folds).map { best(without: $0) }
    let heldOut = (0..<count).map { scores[byFold[$0 % folds]][$0] }
    let gains = zip(heldOut, scores[own]).map { $0 - $1 }
    guard let estimates = Bootstrap.means([heldOut, gains]) else { return nil }
    exponent = exponents[chosen]
    foldExponents = byFold.map { exponents[$0] }
    (self.heldOut, gain) = (estimates[0], estimates[1])
    isAtEnd = exponents.count > 1 && (chosen == 0 || chosen == exponents.count - 1)
  }
}
