/// Why weights could not be rounded.
package enum RoundingError: Error, CustomStringConvertible, Sendable {
  /// OpenBLAS is missing or not usable; the text says why.
  case noLinearAlgebra(String)

  package var description: String {
    switch self {
    case .noLinearAlgebra(let problem): problem
    }
  }
}
