/// Which images a classifier hardly decides: its two highest logits are so close that a network within tolerance may well
/// swap them, so that another first class says nothing against it.
///
/// An image is a coin toss where the float network's first and second logit are less than `leastGap` standard deviations
/// of all the image's logits apart. The int8 network has no part in that, and it means the same for every classifier:
/// adding a number to all logits, or multiplying them by one, changes nothing. (Shares of a softmax do change: by them all
/// images of a classifier with small weights would be coin tosses, and none of one with large weights.)
package enum CoinToss {
  /// What follows from the default tolerance of mean drift, D = 0.01. An embedding e that drifts by d = 1 - cos is moved by
  /// √(2d) |e| at right angles to itself. Where a classifier's rows are alike in all directions, with the deviation s in
  /// each, the logits have the deviation σ = s |e| over the classes, and the gap of two of them changes by √2 s √(2d) |e| =
  /// 2√d σ, one standard deviation; with d = D by 0.2 σ. Closer logits would be swapped with a chance of more than 16 %.
  ///
  /// Measured, the root of the mean square of that change in σ, with 2√d of the mean drift in brackets: a trained ResNet-50
  /// with 50 classes 0.040 (0.044) and, with all activations of 16 bits, 0.013 (0.013); random networks with 1000 classes:
  /// ResNet-50 0.146 (0.138), NASNet-A-Mobile 0.079 (0.080), SENet154 0.159 (0.176), PNASNet-5-Large 0.140 (0.167). Of their
  /// images 18, 30, 69, 44 and 62 % are coin tosses. The difference of the first two classes' softmax shares is no measure: its
  /// median is 0.34 for the trained network, and for the random ones, in the same order, 0.90, 0.44, 1.00 and 0.47.
  package static let leastGap = 0.2

  /// - Parameter logits: finite. Of fewer than three none is a coin toss: two are always two standard deviations apart.
  static func isOne(_ logits: [Float]) -> Bool {
    guard logits.count > 2 else { return false }
    let values = logits.map(Double.init)
    var (first, second) = (-Double.infinity, -Double.infinity)
    for value in values { (first, second) = (max(first, value), max(second, min(first, value))) }
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    // Equal logits are one, even where all are equal.
    return first == second || first - second < leastGap * variance.squareRoot()
  }
}

/// Top-1 agreement of the images that are no coin toss.
package struct ClearAgreement: Hashable, Sendable, Codable {
  /// `CoinToss.leastGap` when it was measured.
  package let leastGap: Double
  package let coinTosses: Int
  /// Images that are no coin toss.
  package let images: Int
  /// How often both networks rank the same class first, in percent of these images; nil without any.
  package let top1: Double?
  /// Of `top1`, with 95 % confidence.
  package let top1Interval: ConfidenceInterval?

  private enum CodingKeys: String, CodingKey {
    case images, top1
    case leastGap = "least_gap"
    case coinTosses = "coin_tosses"
    case top1Interval = "top1_interval"
  }

  // Written out, because the synthesised form leaves out what is nil.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(leastGap, forKey: .leastGap)
    try container.encode(coinTosses, forKey: .coinTosses)
    try container.encode(images, forKey: .images)
    try container.encode(top1, forKey: .top1)
    try container.encode(top1Interval, forKey: .top1Interval)
  }
}
