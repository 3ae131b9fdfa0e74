/// Why linear algebra gave no result.
package enum LinearAlgebraError: Error, CustomStringConvertible, Sendable {
  /// The eigenvalues of a matrix with this number of rows were not found.
  case noConvergence(order: Int)

  package var description: String {
    switch self {
    case .noConvergence(let order): "the eigenvalues of a matrix with \(order) rows were not found"
    }
  }
}
