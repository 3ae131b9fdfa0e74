/// Which images a classifier hardly decides: the two highest logits are so close that a network within tolerance may
/// swap them, so that a different first class is no evidence against it.
///
/// An image is a near tie where the float network's first and second logits are less than `minGap` standard deviations
/// of all the image's logits apart. The int8 network does not enter the definition, and it means the same for every
/// classifier: adding a number to all logits, or multiplying them by one, changes nothing. (Shares of a softmax do
/// change: by them, all images of a classifier with small weights would be near ties, and none of one with large
/// weights.)
package enum NearTie {
  /// Derived from the default tolerance of mean drift, D = 0.01. An embedding e that drifts by d = 1 - cos is moved by
  /// √(2d) |e| at right angles to itself. Where a classifier's rows are distributed equally in all directions, with the
  /// deviation s in each, the logits have the deviation σ = s |e| over the classes, and the gap of two of them changes
  /// by √2 s √(2d) |e| = 2√d σ (one standard deviation); with d = D by 0.2 σ. Logits that are closer would be swapped
  /// with a probability of more than 16 %.
  ///
  /// Measured, the root mean square of that change in σ, with 2√d of the mean drift in brackets: a trained ResNet-50
  /// with 50 classes 0.040 (0.044) and, with all activations of 16 bits, 0.013 (0.013); random networks with 1000
  /// classes: ResNet-50 0.146 (0.138), NASNet-A-Mobile 0.079 (0.080), SENet154 0.159 (0.176), PNASNet-5-Large 0.140
  /// (0.167). Of their images, 18, 30, 69, 44 and 62 % are near ties. The difference of the first two classes' softmax
  /// shares is not a suitable measure: its median is 0.34 for the trained network, and for the random ones, in the same
  /// order, 0.90, 0.44, 1.00 and 0.47.
  package static let minGap = 0.2

  /// The same holds for the similarities of a query to a gallery, whose embeddings then take the place of the rows:
  /// where the first two neighbours are close, drift may swap them.
  ///
  /// - Parameter logits: of one image, finite. With fewer than three classes no image is a near tie: two logits are
  ///   always two standard deviations apart.
  package static func isOne(_ logits: [Float]) -> Bool {
    guard logits.count > 2 else { return false }
    let values = logits.map(Double.init)
    var (first, second) = (-Double.infinity, -Double.infinity)
    for value in values { (first, second) = (max(first, value), max(second, min(first, value))) }
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    // Equal logits are a near tie, even where all are equal.
    return first == second || first - second < minGap * variance.squareRoot()
  }
}

/// Top-1 agreement over the images that are not near ties.
package struct DecisiveAgreement: Hashable, Sendable, Codable {
  /// The value of `NearTie.minGap` when the agreement was measured.
  package let minGap: Double
  /// The number of near ties.
  package let nearTies: Int
  /// The number of images that are not near ties.
  package let images: Int
  /// How often both networks rank the same class first, in percent of `images`; nil without any.
  package let top1: Double?
  /// The 95 % confidence interval of `top1`.
  package let top1Interval: ConfidenceInterval?

  private enum CodingKeys: String, CodingKey {
    case images, top1
    case minGap = "min_gap"
    case nearTies = "near_ties"
    case top1Interval = "top1_interval"
    /// The earlier names of `minGap` and `nearTies`, written alongside them for tools that still read them.
    case leastGap = "least_gap"
    case coinTosses = "coin_tosses"
  }

  /// - Throws: `DecodingError` for missing members or wrong types.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func value<Value: Decodable>(_ key: CodingKeys, earlier: CodingKeys) throws -> Value {
      try container.decodeIfPresent(Value.self, forKey: key) ?? container.decode(Value.self, forKey: earlier)
    }
    self.init(
      minGap: try value(.minGap, earlier: .leastGap), nearTies: try value(.nearTies, earlier: .coinTosses),
      images: try container.decode(Int.self, forKey: .images),
      top1: try container.decodeIfPresent(Double.self, forKey: .top1),
      top1Interval: try container.decodeIfPresent(ConfidenceInterval.self, forKey: .top1Interval))
  }

  init(minGap: Double, nearTies: Int, images: Int, top1: Double?, top1Interval: ConfidenceInterval?) {
    self.minGap = minGap
    self.nearTies = nearTies
    self.images = images
    self.top1 = top1
    self.top1Interval = top1Interval
  }

  // Written out, because the synthesised form omits nil, which reports show as null.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(minGap, forKey: .minGap)
    try container.encode(nearTies, forKey: .nearTies)
    try container.encode(minGap, forKey: .leastGap)
    try container.encode(nearTies, forKey: .coinTosses)
    try container.encode(images, forKey: .images)
    try container.encode(top1, forKey: .top1)
    try container.encode(top1Interval, forKey: .top1Interval)
  }
}
