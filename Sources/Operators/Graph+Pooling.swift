import Graphs

extension Graph {
  /// The GeM exponent p of the head; `nil` where the graph has no GeM pooling. The head's is the last one: the means of
  /// squeeze-and-excitation, which are poolings with p = 1, come before it.
  package var poolingExponent: Double? {
    nodes.lazy.compactMap { ($0.op as? GeneralizedMeanPooling)?.exponent }.last
  }

  /// Replaces the exponent of the head's GeM pooling.
  ///
  /// - Returns: The index of the node.
  /// - Throws: `GraphError.attribute` where `exponent` is not positive; `.structure` where the graph has no GeM
  ///   pooling.
  @discardableResult
  package mutating func setPoolingExponent(_ exponent: Double) throws(GraphError) -> Int {
    guard exponent > 0 else { throw .attribute(name: "exponent", expected: "positive") }
    guard let index = nodes.lastIndex(where: { $0.op is GeneralizedMeanPooling }),
      var pooling = nodes[index].op as? GeneralizedMeanPooling
    else { throw .structure("the graph has no GeM pooling") }
    pooling.exponent = exponent
    nodes[index].op = pooling
    return index
  }
}
