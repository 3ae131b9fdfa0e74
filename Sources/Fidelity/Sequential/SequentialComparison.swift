import Glibc

/// Compares images one after the other until the gates are decided.
///
/// Gates are decided by confidence sequences (`ShareSequence`, `MeanSequence`), whose intervals are valid together with
/// 95 % confidence whenever one stops: each gate's interval misses its figure with a probability of at most 5 % divided
/// by the number of gates (union bound). Verification stops where every gate passes, as its whole interval is on the
/// passing side of the limit, or where one fails: an interval is on the failing side, or an image drifts by more than
/// `maxDrift`. Some of the images cannot show that no image at all does; for this gate it takes so many images that few
/// others can (`maxShareAbove`).
///
/// As with all intervals of a report, the estimates are figures of the population that the compared images are a
/// sample of, so the sequences are exact for any order of images that was not chosen by their outputs. For the figures
/// of the available images, from which one draws without replacement, they are conservative: sums of such draws
/// spread less than those of independent ones (Hoeffding, "Probability inequalities for sums of bounded random
/// variables", 1963, section 6).
package struct SequentialComparison: Sendable {
  /// The probability with which any interval of any gate may miss its figure.
  package static let alpha = 0.05
  /// The gate on single images passes where none of those compared is above its limit and, by `shareUpper`, at most
  /// this share of others is: few enough that an agreement of 95 % would not show them. 59 images decide it.
  package static let maxShareAbove = 0.05

  private let gates: Gates
  private let availableImages: Int
  private let expectsLabels: Bool
  private var accumulator = FidelityAccumulator()
  /// One sequence for each gate that is applied; `nil` before the first image, which shows whether there is a
  /// classifier.
  private var sequences: [GateSequence]?
  private var breaksMaxDrift = false
  private var hasDefects = false

  /// - Parameters:
  ///   - gates: the limits to decide on. Traps for one on neighbours, which no sequence decides (`GateSequence`).
  ///   - availableImages: the number of images that may be compared.
  ///   - expectsLabels: whether any of them has a known class.
  package init(gates: Gates, availableImages: Int, expectsLabels: Bool) {
    precondition(gates.minNeighborAgreement == nil, "neighbour agreement is decided by all images")
    self.gates = gates
    self.availableImages = availableImages
    self.expectsLabels = expectsLabels
  }

  /// The numbers of images after which to check whether all gates are decided: each about a quarter larger than the one
  /// before, and at last `count`. Sequences are valid at any time, so checking more often would be as correct, but
  /// threads wait for each other at every check.
  ///
  /// - Parameter count: the number of available images.
  package static func checkpoints(of count: Int) -> [Int] {
    var (points, next) = ([Int](), 32)
    while next < count {
      points.append(next)
      next += next / 4
    }
    return points + [count]
  }

  /// Adds images.
  ///
  /// - Parameter images: the next ones, in order.
  package mutating func add(_ images: [ImageComparison]) {
    for image in images {
      accumulator.add(image)
      if image.drift > gates.maxDrift { breaksMaxDrift = true }
      if image.defect != nil { hasDefects = true }
      var current = sequences ?? applied(hasClassifier: image.agreement != nil)
      for index in current.indices { current[index].add(image) }
      sequences = current
    }
  }

  private func applied(hasClassifier: Bool) -> [GateSequence] {
    var names: [GateName] = [.meanDrift]
    if hasClassifier { names.append(.top1Agreement) }
    if hasClassifier, gates.minDecisiveAgreement != nil { names.append(.decisiveAgreement) }
    if hasClassifier, expectsLabels { names.append(.top1Drop) }
    if gates.minFloatTop1 != nil { names.append(.floatTop1) }
    return names.compactMap { GateSequence($0, gates: gates, alpha: Self.alpha / Double(names.count)) }
  }

  /// The figures of the images so far, as if there were no others.
  package func figures() -> FidelityFigures { accumulator.figures() }

  /// The figures, if the images so far decide all gates; `nil` while more must be compared.
  package mutating func decidedFigures() -> FidelityFigures? {
    guard var current = sequences else { return nil }
    for index in current.indices { current[index].narrow() }
    sequences = current
    let outcomes = current.map(\.isKept)
    let fails = breaksMaxDrift || hasDefects || outcomes.contains(false)
    let share = Self.shareUpper(images: accumulator.images)
    guard fails || share <= Self.maxShareAbove && outcomes.allSatisfy({ $0 == true }) else { return nil }
    var figures = accumulator.figures()
    figures.stop = VerificationStop(
      availableImages: availableImages,
      shareAboveMaxDriftUpper: breaksMaxDrift ? nil : share,
      intervals: Dictionary(
        uniqueKeysWithValues: current.compactMap { sequence in
          // The sequence does not cover drifts above the limit of single images.
          breaksMaxDrift && sequence.name == .meanDrift ? nil : sequence.interval.map { (sequence.name, $0) }
        }))
    let results = gates.results(for: figures)
    // The figures of the images themselves, by which gates pass or fail, usually say the same. Where they do not, or
    // where labels or answers cast doubt on the float network itself, more images are worth their time.
    if fails { return results.contains { !$0.passed && $0.verdict == .fail } ? figures : nil }
    let isAgreementGated = max(gates.minAgreement, gates.minDecisiveAgreement ?? 0) > 0
    let isDoubtful = figures.isNearChance || figures.hasOneAnswer && isAgreementGated
    return results.allSatisfy { $0.passed && $0.verdict == .pass } && !isDoubtful ? figures : nil
  }

  /// The largest share of images that may drift by more than `maxDrift`, if none of `images` images did: with 95 %
  /// confidence at most 1 - 0.05^(1/n), from 0 to 1, rounded up to 1e-9.
  ///
  /// This is the upper limit of Clopper and Pearson ("The use of confidence or fiducial limits illustrated in the case
  /// of the binomial", 1934) for none of n, about 3/n (the "rule of three"). It is also valid whenever one stops: (1 -
  /// m)^-n is the capital of a player who bets everything on each image not being one of a share m.
  static func shareUpper(images: Int) -> Double {
    (-expm1(log(alpha) / Double(images)) * 1e9).rounded(.up) / 1e9
  }
}
