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
    var patch = GraphPatch(for: self)
    let neighbours = Neighbours(self)
    var (preprocessing, value) = (preprocessing, input)
    while let (index, factor, offset) = try normalization(of: value, neighbours) {
      let original = preprocessing
      var (mean, std) = (original.mean, original.std)
      for color in 0..<3 {
        let deviation = Double(original.std[color]) / factor[color]
        mean[color] = Float(Double(original.mean[color]) - offset[color] * deviation)
        std[color] = Float(deviation)
      }
      patch.remove(index)
      patch.redirect(nodes[index].output, to: input)
      patch.notes.append("\(nodes[index].name) folded into the preprocessing")
      preprocessing = Preprocessing(mean: mean, std: std)
      value = nodes[index].output
    }
    var graph = patch.applied(to: self)
    graph.preprocessing = preprocessing
    return (graph, patch.notes)
  }

  /// The batch norm that is the only reader of a value; `nil` if there is none, or if its factors and offsets are not
  /// within plausible bounds.
  private func normalization(
    of value: ValueID, _ neighbours: Neighbours
  ) throws(GraphError) -> (index: Int, factor: [Double], offset: [Double])? {
    guard neighbours.isReadOnce(value), let index = neighbours.consumers[value]?.first,
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
