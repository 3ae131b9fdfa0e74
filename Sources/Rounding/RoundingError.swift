/// Why weights could not be rounded.
package enum RoundingError: Error, CustomStringConvertible, Sendable {
  /// OpenBLAS is not there, or not usable.
  case noLinearAlgebra(String)

  package var description: String {
    switch self {
    case .noLinearAlgebra(let problem): problem
    }
  }
}
