import Graphs
import Operators
import PackageFormat
import Pixels

extension PackageInfo {
  /// The same information, with the exponents of GeM that the package's graph implies. The runtime section stores the
  /// exponent of the first size as a float32, while the graph has it in double precision. Where the embedding does not
  /// come from one pooling, no size has an exponent.
  ///
  /// - Parameter graph: the package's graph.
  package func pooling(as graph: Graph) -> PackageInfo {
    var result = self
    let exponent = graph.poolingExponent
    for (index, resolution) in resolutions.enumerated() {
      let poolingExponent = index == 0 ? exponent : exponent == nil ? nil : resolution.poolingExponent
      result.resolutions[index] = Resolution(resolution.evaluation, poolingExponent: poolingExponent)
    }
    return result
  }
}
