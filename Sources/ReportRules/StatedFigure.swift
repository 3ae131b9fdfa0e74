/// A figure of a report with the interval that the report states for it. Intervals follow from the numbers that a
/// report states, as far as it states them, and are otherwise no wider than any sample gives.
package struct StatedFigure {
  private let name: String
  private let value: Double?
  private let interval: IntervalEnds?
  private let images: Int

  /// - Parameters:
  ///   - name: the names of the members that lead to it, such as "drift.mean".
  ///   - value: `nil` where it was not measured; what is not has no problem.
  ///   - interval: `nil` where none is stated.
  ///   - images: the number of images that it was measured on.
  package init(_ name: String, _ value: Double?, _ interval: IntervalEnds?, images: Int) {
    (self.name, self.value, self.interval, self.images) = (name, value, interval, images)
  }

  /// Why this is not a share of the images in percent with its interval; `nil` where it is.
  ///
  /// - Parameter isRequired: whether a figure of several images must have an interval; reports of earlier versions lack
  ///   them.
  package func shareProblem(isRequired: Bool) -> String? {
    problem(value.flatMap { IntervalEnds.ofShare($0 / 100, images: images)?.percent }, isRequired: isRequired)
  }

  /// Why this is not a drop of accuracy in percentage points with its interval; `nil` where it is.
  ///
  /// - Parameters:
  ///   - changes: how many images only one of the networks classifies correctly; `nil` where it is not stated.
  ///   - isRequired: whether a figure of several images must have an interval.
  package func dropProblem(_ changes: ChangeCounts?, isRequired: Bool) -> String? {
    let n = Double(max(images, 1))
    let expected = changes.flatMap { changes in
      IntervalEnds.ofDifference(lost: Double(changes.lost) / n, gained: Double(changes.gained) / n, images: images)?
        .percent
    }
    return problem(expected, isRequired: isRequired)
  }

  /// Why this is not the mean of numbers from 0 with its interval; `nil` where it may be.
  ///
  /// An interval of the mean by bootstrap depends on all numbers. The means of resamples have a deviation of at most
  /// `deviation` / √images, and by Cantelli's inequality at most 2.5 % of the resamples are more than √39 deviations to
  /// one side.
  ///
  /// - Parameters:
  ///   - deviation: the sample standard deviation (divisor n - 1); `nil` where it is not stated.
  ///   - greatest: the greatest of the numbers; `nil` where it is not stated.
  ///   - isRequired: whether a mean of several numbers must have an interval.
  package func meanProblem(deviation: Double?, greatest: Double?, isRequired: Bool) -> String? {
    if let problem = problem(nil, isRequired: isRequired) { return problem }
    guard let mean = value, let greatest, let interval, images > 1 else { return nil }
    // Numbers from 0 to the greatest with this mean vary no more than those that are one or the other.
    let n = Double(images)
    let largest = (max(0, mean * (greatest - mean)) * n / (n - 1)).squareRoot()
    let slack = ReportLimits.rounding * greatest
    if let deviation, deviation > largest + slack {
      return "\(name) has the standard deviation \(deviation), and numbers with this mean and maximum have at most "
        + "\(largest)"
    }
    // The resamples, 2000, are themselves a sample.
    let reach = 8 * (deviation ?? largest) / n.squareRoot() + slack
    guard interval.high <= min(greatest + slack, mean + reach), interval.low >= mean - reach else {
      return "\(name) has a wider interval than any \(images) images give"
    }
    return nil
  }

  private func problem(_ expected: IntervalEnds?, isRequired: Bool) -> String? {
    guard value != nil else { return nil }
    guard let interval else {
      return isRequired && images > 1 ? "\(name) is of \(images) images and has no interval" : nil
    }
    guard let expected else { return nil }
    let tolerance = ReportLimits.percentRounding
    guard abs(interval.low - expected.low) <= tolerance, abs(interval.high - expected.high) <= tolerance else {
      return "\(name) does not have the interval of \(images) images"
    }
    return nil
  }
}

/// How many labelled images only one of two networks classifies correctly.
package struct ChangeCounts: Hashable, Sendable, Codable {
  /// Images whose class only the first network ranks first.
  package let lost: Int
  /// Images whose class only the second network ranks first.
  package let gained: Int

  package init(lost: Int, gained: Int) { (self.lost, self.gained) = (lost, gained) }
}
