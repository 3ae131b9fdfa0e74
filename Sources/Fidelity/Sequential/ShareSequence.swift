import Glibc

/// A confidence sequence for a share: intervals, one after each image, that all contain the share with a given
/// probability, so that one may stop taking images at any time.
///
/// By betting (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86, 2024,
/// section 4): a player who bets against the share m with the stake λ_i, chosen before image i is seen, has the capital
/// K_t(m) = Π (1 + λ_i (X_i - m)) after t images. Where m is the share, this is a martingale that starts at 1, and by
/// Ville's inequality it reaches 1/α with a probability of at most α. The interval after t images is {m: K_t(m) < 1/α},
/// and the intersection of all intervals so far is valid, too.
///
/// Stakes are Kelly's for X in {0, 1}, λ_i = (p_i - m) / (m (1 - m)), where p_i = (a + hits) / (a + b + i - 1) is the
/// share estimated from the images before. The product is then a quotient of beta functions, which does not depend on
/// the order of images: K_t(m) = B(a + hits, b + misses) / (B(a, b) m^hits (1 - m)^misses), the mixture of Robbins
/// ("Statistical methods related to the law of the iterated logarithm", 1970). Its logarithm is convex in m, so that
/// the set is an interval.
package struct ShareSequence: Hashable, Sendable {
  /// The prior: b = 1/2, and a / (a + b) is the limit, so that it expects as many images per miss as the limit allows.
  /// Nothing is staked on the limit at first, and a share above it is told with the fewest images: at a limit of 95 %
  /// and α = 0.025, 96 images without a miss, where the prior of Jeffreys (a = b = 1/2) takes 131.
  private let (a, b): (Double, Double)
  private let logThreshold: Double
  private var (hits, misses) = (0, 0)
  /// log of B(a + hits, b + misses) / B(a, b), a product with one factor per image.
  private var logPredicted = 0.0
  private var (low, high) = (0.0, 1.0)

  /// - Parameters:
  ///   - limit: the value that the share is to be told from, from 0 to 1.
  ///   - alpha: the probability with which any interval may miss the share, above 0 and below 1.
  package init(limit: Double, alpha: Double) {
    // Limits near 0 and 1 have no such prior.
    let mean = min(max(limit, 0.5), 0.999)
    b = 0.5
    a = b * mean / (1 - mean)
    logThreshold = -log(alpha)
  }

  /// The number of images so far.
  package var count: Int { hits + misses }

  /// Adds an image.
  package mutating func add(_ isHit: Bool) {
    logPredicted += log((isHit ? a + Double(hits) : b + Double(misses)) / (a + b + Double(count)))
    if isHit { hits += 1 } else { misses += 1 }
  }

  /// Intersects the interval with that after the images so far.
  package mutating func narrow() {
    guard count > 0 else { return }
    let share = Double(hits) / Double(count)
    low = max(low, DyadicBoundary.lower(below: share) { excludes($0) })
    high = min(high, DyadicBoundary.upper(above: share) { excludes($0) })
  }

  /// The intersection of the intervals at all calls of `narrow`, from 0 to 1; `nil` where it is empty, which has a
  /// probability of at most α.
  package var interval: ConfidenceInterval? { low <= high ? ConfidenceInterval(low: low, high: high) : nil }

  private func excludes(_ m: Double) -> Bool {
    // At m = 0 and m = 1, a single image of the other kind excludes the value.
    let ofHits = hits == 0 ? 0 : Double(hits) * log(m)
    let ofMisses = misses == 0 ? 0 : Double(misses) * log(1 - m)
    return logPredicted - ofHits - ofMisses >= logThreshold
  }
}
