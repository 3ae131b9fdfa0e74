import Graphs

/// The pooling of the embedding: the GeM or average pooling that every path from the image to the embedding leads
/// through. Other poolings, such as those of squeeze-and-excitation, which are means, leave a path past them.
extension Graph {
  /// The exponent p by which the embedding is pooled; `nil` where it does not come from one GeM or average pooling
  /// alone.
  package var poolingExponent: Double? {
    guard let index = try? embeddingPooling() else { return nil }
    return (nodes[index].op as? GeneralizedMeanPooling)?.exponent
  }

  /// Replaces the exponent by which the embedding is pooled.
  ///
  /// - Returns: The index of the node.
  /// - Throws: `GraphError.attribute` where `exponent` is not positive; what `embeddingPooling` throws.
  @discardableResult
  package mutating func setPoolingExponent(_ exponent: Double) throws(GraphError) -> Int {
    guard exponent > 0 else { throw .attribute(name: "exponent", expected: "positive") }
    let index = try embeddingPooling()
    if var pooling = nodes[index].op as? GeneralizedMeanPooling {
      pooling.exponent = exponent
      nodes[index].op = pooling
    }
    return index
  }

  /// The index of the node that pools the embedding; in a network without one, of that which pools the logits or else
  /// the first output.
  ///
  /// - Throws: `GraphError.structure` where there is none, which says what the output is computed from.
  package func embeddingPooling() throws(GraphError) -> Int {
    let names = [GraphOutput.normalizedEmbedding, GraphOutput.embedding, GraphOutput.logits]
    let known = names.lazy.compactMap { name in outputs.first { $0.name == name } }.first
    guard let output = known ?? outputs.first else { throw .structure("the graph has no outputs") }
    return try pooling(of: output)
  }

  /// Whether another exponent would make no sense for images of a size, because the embedding's pooling is the mean of
  /// a single pixel. A linear layer of a flattened map is such a pixel, as it is a convolution that covers the map; its
  /// negative values would be cut off.
  ///
  /// - Parameter side: the side of square images in pixels.
  package func averagesOnePixel(side: Int) -> Bool {
    guard let index = try? embeddingPooling(), let shapes = try? inferShapes(input: [1, side, side, 3]),
      let map = nodes[index].inputs.first.flatMap({ shapes[$0.index] }), map.rank == 4,
      let pooling = nodes[index].op as? GeneralizedMeanPooling
    else { return false }
    return pooling.exponent == 1 && map.height == 1 && map.width == 1
  }

  /// The index of the GeM or average pooling that every path from the image to an output leads through; of several in
  /// a row, the last.
  ///
  /// - Throws: `GraphError.structure` where there is none, which says what the output is computed from.
  func pooling(of output: GraphOutput) throws(GraphError) -> Int {
    // What the output depends on, as far as the nodes from `index` on do not compute it.
    var open: Set<ValueID> = [output.value]
    for index in nodes.indices.reversed() where open.contains(nodes[index].output) {
      if open.count == 1, nodes[index].op is GeneralizedMeanPooling { return index }
      open.remove(nodes[index].output)
      open.formUnion(nodes[index].inputs)
    }
    throw .structure(
      "the \(output.name) is computed from \(source(of: output)), and not from one GeM or average pooling alone")
  }

  /// What an output that does not come from one pooling is computed from, for people.
  private func source(of output: GraphOutput) -> String {
    // Back from the output, but not past poolings.
    var read: Set<ValueID> = [output.value]
    var (poolings, others) = ([Node](), [Node]())
    for node in nodes.reversed() where read.contains(node.output) {
      if node.op is GeneralizedMeanPooling {
        poolings.append(node)
      } else {
        others.append(node)
        read.formUnion(node.inputs)
      }
    }
    func shown(_ node: Node) -> String { "'\(node.name)' (\(node.kind))" }
    if !read.contains(input), poolings.count > 1 {
      return poolings.reversed().map(shown).joined(separator: " and ")
    }
    let rows = rows
    let flattening = others.first { rows.contains($0.output) && !$0.inputs.contains(where: rows.contains) }
    // Networks do not differ in L2 normalisation.
    let node = flattening ?? others.first { !($0.op is L2Normalization) } ?? others.first
    return node.map(shown) ?? "the image"
  }
}
