/// How well an int8 network's outputs match those of the float network it was made from, over a set of images.
public struct FidelityFigures: Hashable, Sendable {
  /// Images compared.
  public let images: Int
  /// Of them, those whose class is known; the denominator of `float`, `int8` and `top1Drop`.
  public let labelledImages: Int
  /// Of them, those for which either network gave a NaN or an infinity.
  public let nonFiniteImages: Int
  /// 1 - cos(float embedding, int8 embedding), over the images.
  public let drift: DriftSummary
  /// How often the int8 network agrees with the float one, in percent of the images: `top1` when both rank the same
  /// class first, `top5` when the float network's first class is among the int8 network's first five. nil without a
  /// classifier.
  public let agreement: TopPercentages
  /// The float network's accuracy, in percent of the labelled images; nil without any.
  public let float: TopPercentages
  /// The int8 network's accuracy, in percent of the labelled images; nil without any.
  public let int8: TopPercentages
  /// The top-1 accuracy lost, in percentage points: `float.top1 - int8.top1`, below 0 if int8 is better.
  public let top1Drop: Double?
  /// The images with the greatest drift, at most ten, the worst first; of equals in the order of their names.
  public let worstImages: [WorstImage]

  /// An image that drifted.
  public struct WorstImage: Hashable, Sendable, Codable {
    public let name: String
    public let drift: Double
    /// Why the drift counts as 2, if an output was not finite.
    public let defect: String?
  }
}

/// A distribution of drift, each from 0 to 2; nil without images. Quantiles are numpy's (linear interpolation).
public struct DriftSummary: Hashable, Sendable, Codable {
  public let mean: Double?
  public let p50: Double?
  public let p95: Double?
  public let p99: Double?
  public let max: Double?
}

/// Percentages for the class ranked first and the first five; nil of no images. Of equal logits the class with the
/// lower index is ranked first.
public struct TopPercentages: Hashable, Sendable, Codable {
  public let top1: Double?
  public let top5: Double?
}

// Written out, because the synthesised forms leave out what is nil.

extension DriftSummary {
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(mean, forKey: .mean)
    try container.encode(p50, forKey: .p50)
    try container.encode(p95, forKey: .p95)
    try container.encode(p99, forKey: .p99)
    try container.encode(max, forKey: .max)
  }
}

extension TopPercentages {
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(top1, forKey: .top1)
    try container.encode(top5, forKey: .top5)
  }
}
