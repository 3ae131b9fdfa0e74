import Files

/// Why embeddings cannot be searched. Rows count from 0.
package enum EmbeddingError: Error, Sendable, Hashable {
  /// The text says which shape and type there is instead of rows of floats.
  case shape(String)
  /// An embedding holds NaN or infinity.
  case notFinite(row: Int)
  /// All elements of an embedding are 0, so that it has no direction.
  case zero(row: Int)
  /// Two sets of embeddings have rows of different lengths.
  case dimensions(expected: Int, found: Int)
  /// The embeddings of a file.
  indirect case inFile(path: String, EmbeddingError)

  /// The kind of failure, for the exit status.
  package var kind: FailureKind { .badData }
}

extension EmbeddingError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .shape(let found): "\(found): embeddings are floating-point numbers, one row for each image"
    case .notFinite(let row):
      "embedding \(row) (counted from 0) holds NaN or infinity; leave the image out, or find out why it has none"
    case .zero(let row):
      "embedding \(row) (counted from 0) is all zeros, so that it cannot be normalised; leave the image out"
    case .dimensions(let expected, let found):
      "these embeddings have \(found) dimensions, and those that they are compared with \(expected); they come from "
        + "different networks"
    case .inFile(let path, let error): "\(path): \(error)"
    }
  }
}
