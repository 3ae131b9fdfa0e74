/// What is kept of one image run through the float and the int8 network.
package struct ImageComparison: Hashable, Sendable {
  /// Whether the outputs are numbers at all.
  package enum Defect: String, Hashable, Sendable {
    case reference = "the float network's output is not finite"
    case quantized = "the int8 network's output is not finite"
  }

  /// Whether something holds for the class ranked first and for the first five.
  package struct Hits: Hashable, Sendable {
    package var top1: Bool
    package var top5: Bool
  }

  /// The float network's answer for an image whose class is one of the classifier's.
  package struct LabelledAnswer: Hashable, Sendable {
    package var label: Int
    /// `nil` where its logits are not finite.
    package var answer: Int?
    package var classes: Int
  }

  /// The image's path below the folder of images.
  package let name: String
  /// 1 - cos(float embedding, int8 embedding); 2 if any output of either network is NaN or infinite.
  package let drift: Double
  package let defect: Defect?
  /// Whether the float network's first class is the int8 network's first, and among its first five; nil without
  /// a classifier.
  package let agreement: Hits?
  /// Whether the float network hardly decides between two classes; nil without a classifier.
  package let isCoinToss: Bool?
  /// Whether the float network finds the label; nil without a classifier or a label.
  package let float: Hits?
  /// Whether the int8 network finds the label; nil without a classifier or a label.
  package let int8: Hits?
  /// nil without a classifier or a label.
  package let answer: LabelledAnswer?

  /// Compares the outputs of the two networks for one image.
  ///
  /// - Parameters:
  ///   - name: the image's path below the folder of images; reports are sorted by it and quote it.
  ///   - referenceEmbedding: of the float network, at least one element.
  ///   - quantizedEmbedding: of the int8 network, as many elements.
  ///   - referenceLogits: of the float network; empty if it has no classifier.
  ///   - quantizedLogits: of the int8 network, as many elements.
  ///   - label: the index of the image's class, if it is known; ignored without a classifier.
  /// - Throws: `.embeddingWidth`, `.classCount` or `.label` when the outputs do not belong together.
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
    let label = classes == 0 ? nil : label
    if let label, !(0..<classes).contains(label) {
      throw .label(image: name, label: label, classes: classes)
    }

    let referenceIsFinite = (referenceEmbedding + referenceLogits).allSatisfy(\.isFinite)
    let quantizedIsFinite = (quantizedEmbedding + quantizedLogits).allSatisfy(\.isFinite)
    self.name = name
    defect = !referenceIsFinite ? .reference : !quantizedIsFinite ? .quantized : nil
    drift = defect == nil ? Fidelity.drift(from: referenceEmbedding, to: quantizedEmbedding) : worstDrift

    // Logits that are not finite have no ranking and find nothing.
    let reference = referenceIsFinite ? Ranking(logits: referenceLogits) : nil
    let quantized = quantizedIsFinite ? Ranking(logits: quantizedLogits) : nil
    agreement = classes == 0 ? nil : Hits(of: reference?.first, in: quantized)
    // An image that has no ranking is no excuse.
    isCoinToss = classes == 0 ? nil : reference.map { CoinToss.isOne($0.logits) } ?? false
    float = label.map { Hits(of: $0, in: reference) }
    int8 = label.map { Hits(of: $0, in: quantized) }
    answer = label.map { LabelledAnswer(label: $0, answer: reference?.first, classes: classes) }
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
