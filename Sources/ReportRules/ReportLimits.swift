/// The numbers by which reports are judged (formats/report.md), by the tool and by libquern.
package enum ReportLimits {
  /// The values that drift can have.
  package static let drifts = 0.0...2
  /// The values that percentages can have.
  package static let percentages = 0.0...100
  /// The values that a drop of accuracy can have, in percentage points.
  package static let drops = -100.0...100

  /// The largest median distance of the embeddings of different images that is stated: that of photographs is a
  /// multiple of it in networks that tell them apart. The default limit for the drift of a single image.
  package static let smallDistance = 0.05
  /// The largest share of images that may be calibration images, or repeat others: with more, an agreement of 95 %
  /// could be that much too high.
  private static let maxOverlap = 0.05

  /// Whether so many images are calibration images, or repeat others, that the figures say little about others.
  ///
  /// - Parameters:
  ///   - count: how many are.
  ///   - images: how many images were compared.
  package static func isDoubtful(_ count: Int, of images: Int) -> Bool { Double(count) > maxOverlap * Double(images) }

  /// The kappa below which a classifier counts as near chance: the middle of the interval from 0 to 0.2, which Landis
  /// and Koch ("The measurement of observer agreement for categorical data", 1977) call slight agreement.
  fileprivate static let nearKappa = 0.1

  /// What rounding may change a figure by, as a share of it.
  package static let rounding = 1e-9
  /// What rounding may change a percentage by that is computed from others, in percentage points.
  package static let percentRounding = 1e-6
}

extension ClosedRange<Double> {
  /// Whether a number is in the range, or above or below it by rounding.
  package func isNear(_ number: Double) -> Bool {
    number >= lowerBound - ReportLimits.rounding * abs(lowerBound)
      && number <= upperBound + ReportLimits.rounding * abs(upperBound)
  }
}

extension IntervalEnds {
  /// Whether an accuracy with this interval is near chance: kappa at the upper end is below `ReportLimits.nearKappa`.
  /// Both are in percent.
  package func isNear(chance: Double) -> Bool { high - chance < ReportLimits.nearKappa * (100 - chance) }

  /// Whether an accuracy with this interval is near chance, or was measured on too few images to tell it from chance,
  /// as the interval reaches down to it. Both are in percent.
  package func cannotTell(fromChance chance: Double) -> Bool { low <= chance || isNear(chance: chance) }
}
