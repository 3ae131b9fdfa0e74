import PrintableText

/// Why two networks' outputs cannot be compared, or a limit cannot be used.
package enum FidelityError: Error, Hashable, Sendable {
  /// An embedding is empty, or the two have different numbers of elements.
  case embeddingWidth(image: String, reference: Int, quantized: Int)
  /// The two classifiers have different numbers of classes.
  case classCount(image: String, reference: Int, quantized: Int)
  /// The image's label is not a class of the network.
  case label(image: String, label: Int, classes: Int)
  /// A limit is NaN, infinite or out of range, or looks like a share where a percentage is meant.
  case limit(GateName, Double)
}

extension FidelityError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .embeddingWidth(let image, let reference, let quantized):
      "image '\(printable(image))': the float embedding has \(reference) elements and the int8 one \(quantized); "
        + "compare a package with the checkpoint it was made from"
    case .classCount(let image, let reference, let quantized):
      "image '\(printable(image))': the float network has \(reference) classes and the int8 one \(quantized); "
        + "compare a package with the checkpoint it was made from"
    case .label(let image, let label, let classes):
      "image '\(printable(image))' has label \(label), but the network has \(classes) classes; "
        + "use a folder with one subfolder per class, or one without subfolders"
    case .limit(let gate, let limit) where gate.isLikelyShare(limit):
      "\(gate.option) \(shortest(limit)) is \(shortest(limit)) percent: limits are percentages, so for a share of "
        + "\(shortest(limit)) give \(shortest((limit * 1e6).rounded() / 1e4))"
    case .limit(let gate, let limit) where !limit.isFinite:
      "\(gate.option) \(limit): give a finite number"
    case .limit(let gate, let limit):
      "\(gate.option) \(shortest(limit)) is out of range: \(gate.title) ranges from "
        + "\(shortest(gate.limits.lowerBound)) to \(shortest(gate.limits.upperBound))\(gate.unit)"
    }
  }
}
