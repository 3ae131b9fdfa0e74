/// Why weights could not be rounded.
public enum RoundingError: Error, CustomStringConvertible, Sendable {
  /// OpenBLAS is not there, or not usable.
  case noLinearAlgebra(String)

  public var description: String {
    switch self {
    case .noLinearAlgebra(let problem): problem
    }
  }
}
