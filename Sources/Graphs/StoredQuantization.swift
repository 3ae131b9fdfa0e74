/// How the file of a quantised network stores its weights. The rounding of activations is part of the graph, as
/// operators with `OperatorTraits.rounding`.
package struct StoredQuantization: Sendable {
  /// The quantisation of the weights of one node.
  package struct Weights: Sendable, Hashable {
    /// The step of the weights of each output channel. The weights themselves, in the node's constants, are products of
    /// whole numbers and these steps, each rounded once.
    package var scales: [Float]
    /// The levels of the bias, in units of the input's scale times the weights' scale; `nil` where the file has a float
    /// bias or none.
    package var biasLevels: [Int32]?

    package init(scales: [Float], biasLevels: [Int32]?) {
      (self.scales, self.biasLevels) = (scales, biasLevels)
    }
  }

  /// The weights that the file stores as levels, by node.
  package var weights: [NodeID: Weights] = [:]
  /// Whether the file states anything: levels of weights or of activations.
  package var isEmpty = true

  /// The quantisation of a file that states none.
  package init() {}

  /// The nodes whose weights rewrites of the graph must not change.
  package var fixedNodes: Set<NodeID> { Set(weights.keys) }
}
