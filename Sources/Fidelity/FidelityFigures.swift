/// How well an int8 network's outputs match those of the float network it was made from, over a set of images.
package struct FidelityFigures: Hashable, Sendable {
  /// Images compared.
  package let images: Int
  /// Of them, those whose class is known; the denominator of `float`, `int8` and `top1Drop`.
  package let labelledImages: Int
  /// Of them, those for which either network gave a NaN or an infinity.
  package let nonFiniteImages: Int
  /// 1 - cos(float embedding, int8 embedding), over the images.
  package let drift: DriftSummary
  /// How often the int8 network agrees with the float one, in percent of the images: `top1` when both rank the same
  /// class first, `top5` when the float network's first class is among the int8 network's first five. nil without a
  /// classifier.
  package let agreement: TopPercentages
  /// The same of the images of which the float network is not undecided; nil without a classifier.
  package let clearAgreement: ClearAgreement?
  /// How many labels the float network would find if its answers had nothing to do with the images, in percent; nil without
  /// labelled images, and in reports of earlier versions.
  package let chance: Double?
  /// The float network's accuracy, in percent of the labelled images; nil without any.
  package let float: TopPercentages
  /// The int8 network's accuracy, in percent of the labelled images; nil without any.
  package let int8: TopPercentages
  /// The top-1 accuracy lost, in percentage points: `float.top1 - int8.top1`, below 0 if int8 is better.
  package let top1Drop: Double?
  /// The same with 95 % confidence.
  package let top1DropInterval: ConfidenceInterval?
  /// Of the labelled images, those whose class only one of the networks ranks first; nil without any.
  package let top1Changes: Top1Changes?
  /// The images with the greatest drift, at most ten, the worst first; of equals in the order of their names.
  package let worstImages: [WorstImage]
  /// Where images at hand were not compared, because those that were decide every gate; nil where all were.
  package internal(set) var stop: VerificationStop?

  /// The images whose class only the float network ranks first, and only the int8 network.
  package struct Top1Changes: Hashable, Sendable, Codable {
    package let lost: Int
    package let gained: Int
  }

  /// An image that drifted.
  package struct WorstImage: Hashable, Sendable, Codable {
    package let name: String
    package let drift: Double
    /// Why the drift counts as 2, if an output was not finite.
    package let defect: String?
  }
}

/// A distribution of drift, each from 0 to 2; nil without images. Quantiles are numpy's (linear interpolation).
package struct DriftSummary: Hashable, Sendable, Codable {
  package let mean: Double?
  package let p50: Double?
  package let p95: Double?
  package let p99: Double?
  package let max: Double?
  /// The sample's standard deviation, by n - 1; nil with fewer than two images.
  package let deviation: Double?
  /// Of the mean, with 95 % confidence; nil with fewer than two images.
  package let meanInterval: ConfidenceInterval?

  private enum CodingKeys: String, CodingKey {
    case mean, p50, p95, p99, max
    case deviation = "std"
    case meanInterval = "mean_interval"
  }
}

/// Percentages for the class ranked first and the first five; nil of no images. Of equal logits the class with the
/// lower index is ranked first.
package struct TopPercentages: Hashable, Sendable, Codable {
  package let top1: Double?
  package let top5: Double?
  /// Of `top1`, with 95 % confidence.
  package let top1Interval: ConfidenceInterval?

  private enum CodingKeys: String, CodingKey {
    case top1, top5
    case top1Interval = "top1_interval"
  }
}

// Written out, because the synthesised forms leave out what is nil.

extension DriftSummary {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(mean, forKey: .mean)
    try container.encode(p50, forKey: .p50)
    try container.encode(p95, forKey: .p95)
    try container.encode(p99, forKey: .p99)
    try container.encode(max, forKey: .max)
    try container.encode(deviation, forKey: .deviation)
    try container.encode(meanInterval, forKey: .meanInterval)
  }
}

extension TopPercentages {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(top1, forKey: .top1)
    try container.encode(top5, forKey: .top5)
    try container.encode(top1Interval, forKey: .top1Interval)
  }
}
