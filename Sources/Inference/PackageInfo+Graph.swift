import Graphs
import Images
import Operators
import PackageFormat

extension PackageInfo {
  /// The same with the exponents that the package's graph gives: that of the first size as exact as the graph's attribute, of
  /// which the section only has a float32, and none at all where nothing pools by GeM.
  package func pooling(as graph: Graph) -> PackageInfo {
    var result = self
    let exponent = graph.poolingExponent
    for (index, resolution) in resolutions.enumerated() {
      let own = index == 0 ? exponent : exponent == nil ? nil : resolution.poolingExponent
      result.resolutions[index] = Resolution(resolution.evaluation, poolingExponent: own)
    }
    return result
  }
}
