import Graphs

/// The last pooling by GeM is that of the head; squeeze-and-excitation averages with the same operator before it.
extension Graph {
  /// The GeM exponent p of the head; `nil` where nothing pools by GeM. The means of squeeze-and-excitation, which are
  /// poolings with p = 1, come before it.
  package var poolingExponent: Double? {
    nodes.lazy.compactMap { ($0.op as? GeneralizedMeanPooling)?.exponent }.last
  }

  /// Replaces the exponent of the head's GeM pooling.
  ///
  /// - Returns: the index of the node.
  /// - Throws: `GraphError.attribute` where `exponent` is not positive; `.structure` where nothing pools by GeM.
  @discardableResult
  package mutating func setPoolingExponent(_ exponent: Double) throws(GraphError) -> Int {
    guard exponent > 0 else { throw .attribute(name: "exponent", expected: "positive") }
    guard let index = nodes.lastIndex(where: { $0.op is GeneralizedMeanPooling }),
      var pooling = nodes[index].op as? GeneralizedMeanPooling
    else { throw .structure("nothing pools by GeM") }
    pooling.exponent = exponent
    nodes[index].op = pooling
    return index
  }
}
