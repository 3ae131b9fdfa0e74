import Checkpoints
import Tensors

/// The results of nodes of a model whose inputs depend on nothing but initialisers, such as standardised weights, which
/// the translations of the model for several image sizes share.
final class ONNXFoldingCache {
  private let initializers: Set<String>
  /// The outermost nodes without branches, by their first outputs. Nodes in branches of an `If` have its index, and the
  /// names of their outputs may repeat.
  private let owners: [String: Int]
  private var results: [String: Tensor] = [:]
  /// Whether there may be several translations.
  private let isShared: Bool
  /// What all translations together may compute.
  let budget: ONNXFoldingBudget

  /// - Parameter isShared: whether there may be several translations, so that it pays to keep results.
  init(_ model: ONNXModel, isShared: Bool) {
    self.isShared = isShared
    budget = ONNXFoldingBudget(fileBytes: model.byteCount)
    initializers = Set(model.initializers.names)
    let nodes = model.nodes.filter { $0.operatorType != "If" }
    owners = Dictionary(nodes.compactMap { node in node.outputs.first.map { ($0, node.index) } }) { first, _ in first }
    budget.releaseCache = { [weak self] in self?.results = [:] }
  }

  subscript(_ node: ONNXModel.Node) -> Tensor? {
    guard let output = node.outputs.first, owners[output] == node.index else { return nil }
    return results[output]
  }

  /// Keeps the result of a node if it does not depend on the image's size.
  func store(_ result: Tensor, of node: ONNXModel.Node) {
    guard isShared, let output = node.outputs.first, owners[output] == node.index,
      node.inputs.allSatisfy({ $0.isEmpty || initializers.contains($0) || results[$0] != nil })
    else { return }
    results[output] = result
  }
}
