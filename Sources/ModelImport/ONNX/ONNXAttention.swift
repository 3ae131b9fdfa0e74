import Checkpoints

/// Recognises attention, which makes a network unsupported as a whole, so that it is refused by that name instead of by
/// the first of its reshapes.
enum ONNXAttention {
  /// The first node that is attention or multiplies two matrices that both depend on the image, as attention does;
  /// `nil` if there is none.
  static func node(in model: ONNXModel, image: String) -> ONNXModel.Node? {
    var dependent: Set<String> = [image]
    for node in model.nodes {
      let count = node.inputs.count { dependent.contains($0) }
      guard count > 0, !["Shape", "Size"].contains(node.operatorType) else { continue }
      let isProduct =
        ["MatMul", "Gemm", "Einsum"].contains(node.operatorType)
        && node.inputs.prefix(2).count(where: { dependent.contains($0) }) == 2
      if isProduct || node.operatorType.hasSuffix("Attention") { return node }
      dependent.formUnion(node.outputs.filter { !$0.isEmpty })
    }
    return nil
  }

  /// The error to report where a model cannot be translated: the attention in it, if there is any.
  static func explain(_ error: ImportError, in model: ONNXModel, image: String) -> ImportError {
    switch error {
    case .unsupportedOperator, .badNode:
      guard let node = node(in: model, image: image) else { return error }
      return .unsupportedOperator(
        ONNXLocation(node, in: model),
        reason: "it is part of attention, as it multiplies two matrices that are both computed from the image; quern "
          + "supports networks without attention")
    default: return error
    }
  }
}
