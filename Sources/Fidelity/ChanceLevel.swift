/// How often a classifier would find the labels if its answers had nothing to do with the images.
///
/// Where wrong preprocessing, a wrong size or a wrong order of labels makes a float network guess, an int8 network that is
/// faithful to it is worth nothing. By Cohen's kappa ("A coefficient of agreement for nominal scales", 1960) chance is
/// the sum over the classes of the share of the labels times the share of the answers, so that a network that always gives the
/// most frequent class is at chance, too; it is never taken to be less than one in the number of classes, nor from labels
/// that are all of one class, of which every answer would be chance.
enum ChanceLevel {
  /// Of kappa, below which a classifier counts as near chance: the middle of what Landis and Koch ("The measurement of
  /// observer agreement for categorical data", 1977) call slight agreement, 0 to 0.2.
  static let nearKappa = 0.1

  /// From 0 to 1; `nil` without labelled images.
  static func of(_ answers: [ImageComparison.LabelledAnswer]) -> Double? {
    guard let classes = answers.map(\.classes).max(), classes > 0 else { return nil }
    var labels: [Int: Int] = [:]
    var given: [Int: Int] = [:]
    for answer in answers {
      labels[answer.label, default: 0] += 1
      if let index = answer.answer { given[index, default: 0] += 1 }
    }
    let uniform = 1 / Double(classes)
    guard labels.count > 1 else { return uniform }
    // A sum of whole numbers, which does not depend on the order of the classes.
    let pairs = labels.reduce(0) { $0 + $1.value * (given[$1.key] ?? 0) }
    return max(uniform, Double(pairs) / Double(answers.count) / Double(answers.count))
  }

  /// Whether an accuracy that is measured well enough is near chance: kappa at the upper end of its interval is below
  /// `nearKappa`. All in percent.
  static func isNear(_ interval: ConfidenceInterval, chance: Double) -> Bool {
    interval.high - chance < nearKappa * (100 - chance)
  }
}

extension FidelityFigures {
  /// Whether the float network finds the labels hardly more often than chance would, or on so few images that it cannot be told
  /// from chance: its interval reaches down to it. False without labelled images.
  package var isNearChance: Bool {
    guard let chance, let interval = float.top1Interval else { return false }
    return interval.low <= chance || ChanceLevel.isNear(interval, chance: chance)
  }

  /// What is to be looked at where the float network is near chance, in a sentence.
  package var chanceWarning: String? {
    guard isNearChance, let chance, let interval = float.top1Interval else { return nil }
    let figures =
      "it finds \(shownPercent(float.top1)) of \(labelledImages) labels (95 % interval \(fixed(interval.low, decimals: 2)) to "
      + "\(fixed(interval.high, decimals: 2)) %), and chance is \(shownPercent(chance))"
    let advice =
      "check the size and the crop (--size, --crop), the normalisation (--mean, --std), and that the sorted names of the class "
      + "folders are in the classifier's order"
    return ChanceLevel.isNear(interval, chance: chance)
      ? "THE FLOAT NETWORK ITSELF IS NEAR CHANCE: \(figures). Being faithful to it proves nothing; \(advice)"
      : "the float network cannot be told from chance: \(figures). Label more images to tell; if it stays so, \(advice)"
  }
}
