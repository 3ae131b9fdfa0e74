import Tensors
import Threads

/// Embeddings of unit length, one a row, in float32.
package struct EmbeddingMatrix: Sendable {
  /// The number of embeddings.
  package let rows: Int
  /// The number of elements of an embedding; at least 1.
  package let dimensions: Int
  /// How many rows were not of unit length, and were divided by their length.
  package let normalizedRows: Int
  /// Float32 [rows, dimensions], contiguous.
  private let elements: Tensor

  /// By how much the square of a row's length may differ from 1 without the row being normalised again: a few times
  /// what rounding to float32 leaves of the length of a row of thousands of elements.
  private static let tolerance = 1e-5

  /// Takes rows as they are where their length is 1, to within what float32 can hold, and divides the others by it.
  ///
  /// - Parameters:
  ///   - tensor: float [rows, dimensions]. Other types than float32 are converted.
  ///   - firstRow: the number of the first row in its file, for errors.
  ///   - team: the threads that check rows.
  /// - Throws: `EmbeddingError.shape` for other shapes and types, `.notFinite` for a row that holds NaN or infinity,
  ///   and `.zero` for a row of zeros, which has no direction.
  package init(_ tensor: Tensor, firstRow: Int = 0, team: ThreadTeam = ThreadTeam(count: 1)) throws(EmbeddingError) {
    guard tensor.shape.rank == 2, tensor.shape[1] > 0, let floats = tensor.asFloat32() else {
      throw .shape("\(tensor.shape) of \(tensor.elementType)")
    }
    let (rows, dimensions) = (tensor.shape[0], tensor.shape[1])
    let chunk = max(1, 1 << 16 / dimensions)
    let pieces = team.map((rows + chunk - 1) / chunk) { piece in
      floats.withElements(as: Float.self) { elements in
        Self.lengths(elements, rows: piece * chunk..<min((piece + 1) * chunk, rows), dimensions: dimensions)
      }
    }
    let lengths = pieces.flatMap { $0 }
    for (row, length) in lengths {
      guard length.isFinite else { throw .notFinite(row: firstRow + row) }
      guard length > 0 else { throw .zero(row: firstRow + row) }
    }
    self.rows = rows
    self.dimensions = dimensions
    normalizedRows = lengths.count
    elements = lengths.isEmpty ? floats : Self.divide(floats, by: lengths)
  }

  /// Embeddings in the order of the rows.
  ///
  /// - Throws: what `init(_:firstRow:team:)` throws.
  package init(_ elements: [Float], dimensions: Int) throws(EmbeddingError) {
    guard dimensions > 0, elements.count % dimensions == 0 else {
      throw .shape("\(elements.count) elements in rows of \(dimensions)")
    }
    try self.init(Tensor(elements, shape: [elements.count / dimensions, dimensions]))
  }

  /// Calls `body` with all elements, row after row.
  ///
  /// - Throws: what `body` throws.
  package func withElements<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) rethrows -> Result {
    try elements.withElements(as: Float.self, body)
  }

  /// A copy of one row.
  package subscript(row: Int) -> [Float] {
    withElements { Array($0[row * dimensions..<(row + 1) * dimensions]) }
  }

  /// The rows that are not of unit length, each with its length.
  private static func lengths(
    _ elements: UnsafeBufferPointer<Float>, rows: Range<Int>, dimensions: Int
  ) -> [(row: Int, length: Double)] {
    rows.compactMap { row in
      let square = squaredLength(UnsafeBufferPointer(rebasing: elements[row * dimensions..<(row + 1) * dimensions]))
      return abs(square - 1) <= tolerance ? nil : (row, square.squareRoot())
    }
  }

  /// In double precision, which no sum of squared float32 numbers leaves; in eight partial sums, whose order is fixed.
  private static func squaredLength(_ row: UnsafeBufferPointer<Float>) -> Double {
    let bytes = UnsafeRawBufferPointer(row)
    var sums = SIMD8<Double>.zero
    let whole = row.count / 8 * 8
    for start in stride(from: 0, to: whole, by: 8) {
      let values = SIMD8<Double>(bytes.loadUnaligned(fromByteOffset: start * 4, as: SIMD8<Float>.self))
      sums += values * values
    }
    for index in whole..<row.count { sums[index - whole] += Double(row[index]) * Double(row[index]) }
    let four = sums.lowHalf + sums.highHalf
    let two = four.lowHalf + four.highHalf
    return two[0] + two[1]
  }

  private static func divide(_ floats: Tensor, by lengths: [(row: Int, length: Double)]) -> Tensor {
    let dimensions = floats.shape[1]
    return Tensor(shape: floats.shape, of: Float.self) { target in
      floats.withElements(as: Float.self) { _ = target.initialize(from: $0) }
      for (row, length) in lengths {
        for index in row * dimensions..<(row + 1) * dimensions { target[index] = Float(Double(target[index]) / length) }
      }
    }
  }
}
