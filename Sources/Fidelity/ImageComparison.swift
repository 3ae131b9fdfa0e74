/// The results kept of one image that was run through the float and the int8 network.
package struct ImageComparison: Hashable, Sendable {
  /// Which network's output is not finite; the raw value is the description in reports.
  package enum Defect: String, Hashable, Sendable {
    case reference = "the float network's output is not finite"
    case quantized = "the int8 network's output is not finite"
  }

  /// Whether a class is ranked first, and among the first five.
  package struct Hits: Hashable, Sendable {
    /// For the class ranked first.
    package var top1: Bool
    /// For the first five classes.
    package var top5: Bool
  }

  /// The float network's answer for an image with a label.
  package struct LabelledAnswer: Hashable, Sendable {
    /// The index of the image's class.
    package var label: Int
    /// The index of the class ranked first; `nil` where the logits are not finite.
    package var answer: Int?
    /// The number of classes.
    package var classes: Int
  }

  /// The image's path below the folder of images.
  package let name: String
  /// 1 - cos(float embedding, int8 embedding); 2 if any output of either network is NaN or infinite.
  package let drift: Double
  /// Which output was not finite; nil where all are finite.
  package let defect: Defect?
  /// Whether the float network's first class is the int8 network's first, and among its first five; nil without
  /// a classifier.
  package let agreement: Hits?
  /// Whether the image is a near tie (`NearTie`); nil without a classifier.
  package let isNearTie: Bool?
  /// Whether the float network finds the label; nil without a classifier or a label.
  package let float: Hits?
  /// Whether the int8 network finds the label; nil without a classifier or a label.
  package let int8: Hits?
  /// The float network's answer; nil without a classifier or a label.
  package let answer: LabelledAnswer?
  /// The class that the float network ranks first; nil without a classifier, and where its output is not finite.
  package let firstClass: Int?
  /// Whether both networks have the same embedding and the same logits (`areSame`).
  package let hasSameOutputs: Bool

  /// Compares the outputs of the two networks for one image.
  ///
  /// - Parameters:
  ///   - name: the image's path below the folder of images; reports are sorted by it and quote it.
  ///   - referenceEmbedding: the float network's, at least one element.
  ///   - quantizedEmbedding: the int8 network's, with as many elements.
  ///   - referenceLogits: the float network's; empty if it has no classifier.
  ///   - quantizedLogits: the int8 network's, with as many elements.
  ///   - label: the index of the image's class, if it is known; ignored without a classifier of several classes.
  /// - Throws: `FidelityError.embeddingWidth`, `.classCount` or `.label` where the outputs and the label do not match.
  package init(
    name: String,
    referenceEmbedding: [Float], quantizedEmbedding: [Float],
    referenceLogits: [Float] = [], quantizedLogits: [Float] = [],
    label: Int? = nil
  ) throws(FidelityError) {
    guard !referenceEmbedding.isEmpty, referenceEmbedding.count == quantizedEmbedding.count else {
      throw .embeddingWidth(image: name, reference: referenceEmbedding.count, quantized: quantizedEmbedding.count)
    }
    let classes = referenceLogits.count
    guard classes == quantizedLogits.count else {
      throw .classCount(image: name, reference: classes, quantized: quantizedLogits.count)
    }
    // A single class is the answer for every image.
    let hasClassifier = classes > 1
    let label = hasClassifier ? label : nil
    if let label, !(0..<classes).contains(label) {
      throw .label(image: name, label: label, classes: classes)
    }

    let referenceIsFinite = (referenceEmbedding + referenceLogits).allSatisfy(\.isFinite)
    let quantizedIsFinite = (quantizedEmbedding + quantizedLogits).allSatisfy(\.isFinite)
    self.name = name
    defect = !referenceIsFinite ? .reference : !quantizedIsFinite ? .quantized : nil
    drift = defect == nil ? Fidelity.drift(from: referenceEmbedding, to: quantizedEmbedding) : worstDrift

    // Logits that are not finite have no ranking, so that no class counts as found.
    let reference = referenceIsFinite ? Ranking(logits: referenceLogits) : nil
    let quantized = quantizedIsFinite ? Ranking(logits: quantizedLogits) : nil
    firstClass = hasClassifier ? reference?.first : nil
    agreement = hasClassifier ? Hits(of: firstClass, in: quantized) : nil
    // An image without a ranking does not count as a near tie, so that disagreement on it is not excused.
    isNearTie = hasClassifier ? reference.map { NearTie.isOne($0.logits) } ?? false : nil
    float = label.map { Hits(of: $0, in: reference) }
    int8 = label.map { Hits(of: $0, in: quantized) }
    answer = label.map { LabelledAnswer(label: $0, answer: reference?.first, classes: classes) }
    hasSameOutputs =
      areSame(referenceEmbedding[...], quantizedEmbedding[...]) && areSame(referenceLogits[...], quantizedLogits[...])
  }
}

extension ImageComparison.Hits {
  init(of label: Int?, in ranking: Ranking?) {
    guard let label, let ranking else {
      self.init(top1: false, top5: false)
      return
    }
    self.init(top1: ranking.holds(label, inFirst: 1), top5: ranking.holds(label, inFirst: 5))
  }
}
