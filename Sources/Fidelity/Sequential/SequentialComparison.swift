import Glibc

/// Compares images one after the other until its gates are decided.
///
/// They are decided by confidence sequences (`ShareSequence`, `MeanSequence`), whose intervals hold together with 95 %
/// confidence whenever one stops: each gate's misses its figure with a probability of at most 5 % by the number of gates (union
/// bound). It ends where every gate is kept, as all of each interval is on the right side of the limit, or where one is not:
/// an interval is on the wrong side, or an image drifts by more than a single one may. That no image at all does cannot be
/// shown by some of them; there it takes so many that few others can (`maxShareAbove`).
///
/// What is estimated, as with all intervals of a report, are the figures over the images that those compared are a sample
/// of; so the sequences are exact for any order of the images that was not chosen by their outputs. For the figures over all
/// images at hand, from which one draws without replacement, they are conservative: sums of such draws spread less than those
/// of independent ones (Hoeffding, "Probability inequalities for sums of bounded random variables", 1963, section 6).
package struct SequentialComparison: Sendable {
  /// Of all gates together.
  package static let alpha = 0.05
  /// The gate of single images is kept where none of those compared is above its limit and, by `shareUpper`, so few others are
  /// that an agreement of 95 % would not show them: 59 images decide it.
  package static let maxShareAbove = 0.05

  private let gates: Gates
  private let imagesAtHand: Int
  private let expectsLabels: Bool
  private var accumulator = FidelityAccumulator()
  /// Of each gate that is applied; `nil` before the first image, which shows whether there is a classifier.
  private var sequences: [GateSequence]?
  private var breaksMaxDrift = false
  private var hasDefects = false

  /// - Parameters:
  ///   - imagesAtHand: that may be compared.
  ///   - expectsLabels: whether any of them has a known class.
  package init(gates: Gates, imagesAtHand: Int, expectsLabels: Bool) {
    self.gates = gates
    self.imagesAtHand = imagesAtHand
    self.expectsLabels = expectsLabels
  }

  /// After how many images it is looked whether all is decided: about a quarter more each time, and at last all. Sequences hold
  /// at any time, so more often would be as right; but threads wait for each other there.
  ///
  /// - Parameter count: of the images at hand.
  package static func checkpoints(of count: Int) -> [Int] {
    var (points, next) = ([Int](), 32)
    while next < count {
      points.append(next)
      next += next / 4
    }
    return points + [count]
  }

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
    if hasClassifier, gates.minClearAgreement != nil { names.append(.clearAgreement) }
    if hasClassifier, expectsLabels { names.append(.top1Drop) }
    if gates.minFloatTop1 != nil { names.append(.floatTop1) }
    return names.compactMap { GateSequence($0, gates: gates, alpha: Self.alpha / Double(names.count)) }
  }

  /// The figures of all images so far, as if there never were others.
  package func figures() -> FidelityFigures { accumulator.figures() }

  /// The figures, if the images so far decide all gates; `nil` while more are to be compared.
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
      imagesAtHand: imagesAtHand,
      shareAboveMaxDriftUpper: breaksMaxDrift ? nil : share,
      intervals: Dictionary(
        uniqueKeysWithValues: current.compactMap { sequence in
          // Of drifts above the bound the sequence knows nothing.
          breaksMaxDrift && sequence.name == .meanDrift ? nil : sequence.interval.map { (sequence.name, $0) }
        }))
    let results = gates.results(for: figures)
    // The figures of the images themselves, by which gates pass or fail, say the same but for chance; where they do not, or
    // where labels leave the float network itself in doubt, more images are worth their time.
    if fails { return results.contains { !$0.passed && $0.verdict == .fail } ? figures : nil }
    return results.allSatisfy { $0.passed && $0.verdict == .pass } && !figures.isNearChance ? figures : nil
  }

  /// What share of images may drift by more than a single one may, if none of `images` did: with 95 % confidence at most
  /// 1 - 0.05^(1/n), from 0 to 1, rounded up to 1e-9.
  ///
  /// That is the upper limit of Clopper and Pearson ("The use of confidence or fiducial limits illustrated in the case of the
  /// binomial", 1934) for none of n, about 3/n (the "rule of three"). It also holds wherever one stops: (1 - m)^-n is the
  /// capital of whoever bets all of it on each image not to be one of a share m.
  static func shareUpper(images: Int) -> Double {
    (-expm1(log(alpha) / Double(images)) * 1e9).rounded(.up) / 1e9
  }
}
