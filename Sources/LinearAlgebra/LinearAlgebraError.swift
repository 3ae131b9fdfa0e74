/// Why linear algebra gave no result.
package enum LinearAlgebraError: Error, CustomStringConvertible, Sendable {
  /// OpenBLAS is missing or not usable; the text says why.
  case unavailable(String)
  /// The eigenvalues of a matrix with this number of rows were not found.
  case noConvergence(order: Int)

  package var description: String {
    switch self {
    case .unavailable(let problem):
      "\(problem); rounding weights to nearest (--effort fast), and running packages, does without it"
    case .noConvergence(let order): "the eigenvalues of a matrix with \(order) rows were not found"
    }
  }
}
