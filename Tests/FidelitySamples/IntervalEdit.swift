import Fidelity

/// A change of a report after which an interval is not that of its figure.
package struct IntervalEdit: Sendable {
  package enum Original: Sendable {
    case passing, failing, searched

    package func report() throws -> FidelityReport {
      switch self {
      case .passing: try Sample.passing()
      case .failing: try Sample.failing()
      case .searched: try Sample.searched()
      }
    }
  }

  package let original: Original
  /// The keys and indices that lead to the value, separated by points.
  package let path: String
  /// What replaces it, in JSON.
  package let new: String
  /// A part of the reason why the report is refused.
  package let reason: String

  private init(_ original: Original, _ path: String, _ new: String, _ reason: String) {
    (self.original, self.path, self.new, self.reason) = (original, path, new, reason)
  }

  package static let all = [
    IntervalEdit(.passing, "drift.mean_interval", #"{"low": 0, "high": 2}"#, "wider interval than any 100 images"),
    IntervalEdit(.passing, "drift.mean_interval", "null", "drift.mean is of 100 images and has no interval"),
    IntervalEdit(.passing, "drift.std", "0.5", "numbers with this mean and maximum have at most"),
    IntervalEdit(.passing, "agreement.top1_interval", "null", "agreement.top1 is of 100 images and has no interval"),
    IntervalEdit(
      .passing, "agreement.top1_interval.low", "0", "agreement.top1 does not have the interval of 100 images"),
    IntervalEdit(.failing, "float.top1_interval.low", "0", "float.top1 does not have the interval of 4 images"),
    IntervalEdit(.failing, "int8.top1_interval.high", "100", "int8.top1 does not have the interval of 4 images"),
    IntervalEdit(.failing, "top1_drop_interval.low", "-90", "top1_drop does not have the interval of 4 images"),
    IntervalEdit(.failing, "top1_drop_interval", "null", "top1_drop is of 4 images and has no interval"),
    IntervalEdit(
      .searched, "neighbours.int8_in_float.top1_interval.low", "0",
      "int8_in_float.top1 does not have the interval of 100"),
    IntervalEdit(
      .searched, "neighbours.int8_in_int8.top1_interval", "null", "int8_in_int8.top1 is of 100 images and has no"),
    IntervalEdit(
      .searched, "neighbours.int8_in_int8.decisive_top1_interval.low", "0",
      "decisive_top1 does not have the interval of 98"),
    IntervalEdit(
      .searched, "neighbours.int8_in_float.decisive_top1_interval", "null", "decisive_top1 is of 98 images and has no"),
  ]
}

extension Sample {
  /// Figures of a verification of up to 1250 images that stopped after `count`; `nil` where they do not decide it.
  ///
  /// - Parameter drift: that of the last image.
  package static func decided(drift: Double, count: Int) throws -> FidelityFigures? {
    var comparison = SequentialComparison(gates: try Gates(), availableImages: 1250, expectsLabels: false)
    for index in 1...count {
      let drift = index == count ? drift : 0.00001 * Double(index)
      comparison.add(
        [try image("\(index).jpg", drift: drift, reference: varied(index), quantized: varied(index))])
    }
    return comparison.decidedFigures()
  }
}
