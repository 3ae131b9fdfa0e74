import ReportRules

/// How well an int8 network's outputs match those of the float network it was made from, over a set of images.
package struct FidelityFigures: Hashable, Sendable {
  /// The number of images compared.
  package let images: Int
  /// The number of images whose class is known: the denominator of `float`, `int8` and `top1Drop`.
  package let labelledImages: Int
  /// The number of images for which either network's output contains a NaN or an infinity.
  package let nonFiniteImages: Int
  /// 1 - cos(float embedding, int8 embedding), over the images.
  package let drift: DriftSummary
  /// How often the int8 network agrees with the float network, in percent of the images: `top1` where both rank the
  /// same class first, `top5` where the float network's first class is among the int8 network's first five. Both are
  /// nil without a classifier.
  package let agreement: TopPercentages
  /// Top-1 agreement over the images that are not near ties; nil without a classifier.
  package let decisiveAgreement: DecisiveAgreement?
  /// How many labels the float network would find if its answers were unrelated to the images, in percent; nil without
  /// labelled images, and in reports of earlier versions.
  package let chance: Double?
  /// The float network's accuracy, in percent of the labelled images; nil without any.
  package let float: TopPercentages
  /// The int8 network's accuracy, in percent of the labelled images; nil without any.
  package let int8: TopPercentages
  /// The top-1 accuracy lost, in percentage points: `float.top1 - int8.top1`, below 0 if int8 is better.
  package let top1Drop: Double?
  /// The 95 % confidence interval of `top1Drop`.
  package let top1DropInterval: ConfidenceInterval?
  /// How many labelled images only one of the networks classifies correctly; nil without labelled images.
  package let top1Changes: Top1Changes?
  /// The images with the greatest drift, at most ten, the worst first; images of equal drift are in the order of their
  /// names.
  package let worstImages: [WorstImage]
  /// What changes in searches among the images; nil where it was not measured, as with fewer than two images and in
  /// reports of earlier versions.
  package var neighbors: NeighborFigures?
  /// Set where verification stopped because the images compared decide every gate; nil where all images were compared.
  package internal(set) var stop: VerificationStop?
  /// Whether the outputs of both networks are the same for every image (`areSame`), as where a network is compared with
  /// itself.
  package internal(set) var outputsAreIdentical = false
  /// Whether there are several images and the float network ranks the same class first for all of them: a network that
  /// always answers with this class agrees.
  package internal(set) var hasOneAnswer = false

  /// Counts of labelled images that one network classifies correctly and the other does not, the float network first.
  package typealias Top1Changes = ChangeCounts

  /// An image with a large drift.
  package struct WorstImage: Hashable, Sendable, Codable {
    /// The image's path below the folder of images.
    package let name: String
    /// From 0 to 2.
    package let drift: Double
    /// Which output was not finite, so that the drift counts as 2; nil where all were finite.
    package let defect: String?
  }
}

/// The distribution of drift over images. Values are from 0 to 2 and nil without images; quantiles are those of
/// `quantile(_:ofSorted:)`.
package struct DriftSummary: Hashable, Sendable, Codable {
  /// The arithmetic mean.
  package let mean: Double?
  /// The median.
  package let p50: Double?
  /// The 95 % quantile.
  package let p95: Double?
  /// The 99 % quantile.
  package let p99: Double?
  /// The greatest drift of an image.
  package let max: Double?
  /// The sample standard deviation (divisor n - 1); nil with fewer than two images.
  package let deviation: Double?
  /// The 95 % confidence interval of the mean; nil with fewer than two images.
  package let meanInterval: ConfidenceInterval?

  private enum CodingKeys: String, CodingKey {
    case mean, p50, p95, p99, max
    case deviation = "std"
    case meanInterval = "mean_interval"
  }
}

/// Percentages of images for the class ranked first and the first five classes; nil without images. Of classes with
/// equal logits, the one with the lower index is ranked first.
package struct TopPercentages: Hashable, Sendable, Codable {
  /// For the class ranked first.
  package let top1: Double?
  /// For the first five classes.
  package let top5: Double?
  /// The 95 % confidence interval of `top1`.
  package let top1Interval: ConfidenceInterval?

  private enum CodingKeys: String, CodingKey {
    case top1, top5
    case top1Interval = "top1_interval"
  }
}

// Written out, because the synthesised forms omit nil, which reports show as null.

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
