import Graphs
import Operators

extension Graph {
  /// The graph with the batch norms that alone read its image taken into its preprocessing, so that what reads the image next
  /// reads normalised pixels, and zeros around them are zeros after the norm: exact, where the factors are positive.
  ///
  /// With `n = (x - mean) / std` and `y = factor * n + offset`, y is n with the mean `mean - offset * std / factor` and the
  /// standard deviation `std / factor`.
  ///
  /// - Returns: the graph, and what was done, a line for each norm.
  /// - Throws: `GraphError.at` with the norm whose constants are unfit.
  package func foldingInputNormalization() throws(GraphError) -> (graph: Graph, notes: [String]) {
    var (graph, notes) = (self, [String]())
    while let (index, factor, offset) = try graph.inputNormalization() {
      let given = graph.preprocessing
      var (mean, std) = (given.mean, given.std)
      for color in 0..<3 {
        let deviation = Double(given.std[color]) / factor[color]
        mean[color] = Float(Double(given.mean[color]) - offset[color] * deviation)
        std[color] = Float(deviation)
      }
      let norm = graph.nodes[index]
      var patch = GraphPatch(for: graph)
      patch.remove(index)
      patch.redirect(norm.output, to: graph.input)
      graph = patch.applied(to: graph)
      graph.preprocessing = Preprocessing(mean: mean, std: std)
      notes.append("\(norm.name) folded into the preprocessing")
    }
    return (graph, notes)
  }

  /// The batch norm that alone reads the image, if its factors are positive.
  private func inputNormalization() throws(GraphError) -> (index: Int, factor: [Double], offset: [Double])? {
    let neighbours = Neighbours(self)
    guard neighbours.isReadOnce(input), let index = neighbours.consumers[input]?.first,
      let norm = nodes[index].op as? any ChannelAffineOperator
    else { return nil }
    do throws(GraphError) {
      let (factor, offset) = try norm.affine(nodes[index].constants)
      guard factor.count == 3, factor.allSatisfy({ $0 > 1e-6 && $0 < 1e6 }), offset.allSatisfy({ abs($0) < 1e6 }) else {
        return nil
      }
      return (index, factor, offset)
    } catch { throw .at(node: nodes[index].name, error) }
  }
}
