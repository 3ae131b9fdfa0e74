import Glibc

/// A confidence sequence for a share: an interval after each image that, with a given probability, holds the share after
/// all of them at once, so that images may be taken until it says enough.
///
/// By betting (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86, 2024, section
/// 4): whoever bets against the share m with the stake λ_i, chosen before image i is seen, has the capital
/// K_t(m) = Π (1 + λ_i (X_i - m)) after t images. Where m is the share, that is a martingale that starts at 1, and by Ville's
/// inequality it reaches 1/α with a probability of at most α. The interval after t images is {m: K_t(m) < 1/α}, and the
/// intersection of all intervals so far is one, too.
///
/// Stakes are Kelly's for X in {0, 1}, λ_i = (p_i - m) / (m (1 - m)), where p_i = (a + hits) / (a + b + i - 1) is what the images
/// before make of the share. The product is then a quotient of beta functions, which does not depend on the order of images:
/// K_t(m) = B(a + hits, b + misses) / (B(a, b) m^hits (1 - m)^misses), the mixture of Robbins ("Statistical methods related to
/// the law of the iterated logarithm", 1970). Its logarithm is convex in m, so that what it leaves is an interval.
package struct ShareSequence: Hashable, Sendable {
  /// Images per miss that the prior expects are what the limit allows: b = 1/2, and a / (a + b) is the limit. So nothing
  /// is staked on the limit at first, and it takes fewest images to tell a share above it: at 95 %, and α = 0.025, 96
  /// images without a miss, where the prior of Jeffreys (a = b = 1/2) takes 131.
  private let (a, b): (Double, Double)
  private let logThreshold: Double
  private var (hits, misses) = (0, 0)
  /// log of B(a + hits, b + misses) / B(a, b), a factor an image.
  private var logPredicted = 0.0
  private var (low, high) = (0.0, 1.0)

  /// - Parameters:
  ///   - limit: which the share is to be told from, from 0 to 1.
  ///   - alpha: the probability with which an interval may miss the share, above 0 and below 1.
  package init(limit: Double, alpha: Double) {
    // A limit of all or nothing has no such prior.
    let mean = min(max(limit, 0.5), 0.999)
    b = 0.5
    a = b * mean / (1 - mean)
    logThreshold = -log(alpha)
  }

  /// Images so far.
  package var count: Int { hits + misses }

  package mutating func add(_ isHit: Bool) {
    logPredicted += log((isHit ? a + Double(hits) : b + Double(misses)) / (a + b + Double(count)))
    if isHit { hits += 1 } else { misses += 1 }
  }

  /// Takes the interval after the images so far into the intersection.
  package mutating func narrow() {
    guard count > 0 else { return }
    let share = Double(hits) / Double(count)
    low = max(low, DyadicBoundary.lower(below: share) { excludes($0) })
    high = min(high, DyadicBoundary.upper(above: share) { excludes($0) })
  }

  /// The intersection of what `narrow` took, from 0 to 1; `nil` where it is empty, as it may be with the probability α.
  package var interval: ConfidenceInterval? { low <= high ? ConfidenceInterval(low: low, high: high) : nil }

  private func excludes(_ m: Double) -> Bool {
    // At the ends a single image of the other kind excludes all.
    let ofHits = hits == 0 ? 0 : Double(hits) * log(m)
    let ofMisses = misses == 0 ? 0 : Double(misses) * log(1 - m)
    return logPredicted - ofHits - ofMisses >= logThreshold
  }
}
