import Graphs
import Operators

extension Graph {
  /// Folds a batch norm that is the only reader of the image into the graph's preprocessing, and then the next one. The
  /// layer after it reads normalised pixels, and its zero padding stands for pixels that are zero after the norm. In
  /// real arithmetic this is exact where the factors are positive; other norms are left in the graph.
  ///
  /// With `n = (x - mean) / std` and `y = factor * n + offset`, y is n with the mean `mean - offset * std / factor` and
  /// the standard deviation `std / factor`.
  ///
  /// - Returns: the rewritten graph, and one line for each norm that was folded.
  /// - Throws: `GraphError.at` with the norm whose constants are missing or do not fit.
  package func foldingInputNormalization() throws(GraphError) -> (graph: Graph, notes: [String]) {
    var (graph, notes) = (self, [String]())
    while let (index, factor, offset) = try graph.inputNormalization() {
      let original = graph.preprocessing
      var (mean, std) = (original.mean, original.std)
      for color in 0..<3 {
        let deviation = Double(original.std[color]) / factor[color]
        mean[color] = Float(Double(original.mean[color]) - offset[color] * deviation)
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

  /// The batch norm that is the only reader of the image; `nil` if there is none, or if its factors and offsets are not
  /// within plausible bounds.
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
