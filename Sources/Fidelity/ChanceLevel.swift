import ReportRules

/// How often a classifier's answers would match the labels if they were unrelated to the images.
///
/// Where wrong preprocessing, a wrong size or a wrong order of labels makes a float network guess, an int8 network that
/// is faithful to it is worthless. As in Cohen's kappa ("A coefficient of agreement for nominal scales", 1960), chance
/// is the sum over the classes of the share of the labels times the share of the answers, so that a network that always
/// answers with the most frequent class is at chance, too. It is at least 1 divided by the number of classes, and
/// exactly that where all labels are of one class, as every answer would otherwise count as chance.
enum ChanceLevel {
  /// The share of labels found by chance, from 0 to 1; `nil` without labelled images.
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
    // A sum of integers does not depend on the order of the classes.
    let pairs = labels.reduce(0) { $0 + $1.value * (given[$1.key] ?? 0) }
    return max(uniform, Double(pairs) / Double(answers.count) / Double(answers.count))
  }
}

extension FidelityFigures {
  /// Whether the float network finds the labels hardly more often than chance would, or was measured on too few images
  /// to tell it from chance, as its interval reaches down to it. False without labelled images.
  package var isNearChance: Bool {
    guard let chance, let interval = float.top1Interval else { return false }
    return interval.ends.cannotTell(fromChance: chance)
  }

  /// The figures of a float network that is near chance, and what to check; nil for other networks.
  package var chanceWarning: String? {
    guard isNearChance, let chance, let interval = float.top1Interval else { return nil }
    let figures =
      "it finds \(shownPercent(float.top1, of: labelledImages)) of \(labelledImages) labels (95 % interval "
      + "\(percentDigits(interval.low)) to \(percentDigits(interval.high)) %), and chance is "
      + "\(percentDigits(chance)) %"
    let advice =
      "check the size and the crop (--size, --crop), the normalisation (--mean, --std), and that the sorted names of the "
      + "class folders are in the classifier's order"
    return interval.ends.isNear(chance: chance)
      ? "THE FLOAT NETWORK ITSELF IS NEAR CHANCE: \(figures). Being faithful to it proves nothing; \(advice)"
      : "the float network cannot be told from chance: \(figures). Label more images to tell; if it stays so, \(advice)"
  }
}
