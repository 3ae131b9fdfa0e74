/// The number of images at which a figure's 95 % confidence interval excludes its limit, if the figure and the spread
/// of the images stay the same. `nil` where no number up to a thousand million suffices, as the figure equals the limit
/// or is too close to it.
enum SampleSize {
  static let maxImages = 1_000_000_000

  /// By the normal approximation of a mean, n = (z s / d)^2, where s is the sample's standard deviation and d the
  /// distance from the limit (Cochran, "Sampling Techniques", 3rd edition 1977, chapter 4).
  static func ofMean(_ mean: Double, deviation: Double, limit: Double) -> Int? {
    let ratio = ConfidenceInterval.z * deviation / (mean - limit)
    return count(ratio * ratio)
  }

  /// By Wilson's interval: it excludes the limit L where the score test rejects it, from n = z^2 L (1 - L) / (p - L)^2
  /// on (Wilson 1927). Shares are from 0 to 1.
  static func ofShare(_ share: Double, limit: Double) -> Int? {
    let limit = min(max(limit, 0), 1)
    let z = ConfidenceInterval.z
    return count(z * z * limit * (1 - limit) / ((share - limit) * (share - limit)))
  }

  /// By Agresti and Min's interval of a difference of shares; the number is found by bisection.
  static func ofDifference(lost: Double, gained: Double, limit: Double) -> Int? {
    guard lost - gained != limit else { return nil }
    func excludes(_ images: Int) -> Bool {
      guard let interval = ConfidenceInterval.ofDifference(lost: lost, gained: gained, images: images) else {
        return false
      }
      return lost - gained < limit ? interval.high <= limit : interval.low > limit
    }
    guard excludes(maxImages) else { return nil }
    var (without, with) = (0, maxImages)
    while with - without > 1 {
      let middle = (without + with) / 2
      if excludes(middle) { with = middle } else { without = middle }
    }
    return with
  }

  private static func count(_ images: Double) -> Int? {
    images <= Double(maxImages) ? Int(images.rounded(.up)) : nil
  }
}
