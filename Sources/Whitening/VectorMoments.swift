import LinearAlgebra

/// The mean and the covariance of vectors that are seen once, in double precision. The products are those of
/// differences from the first vectors' mean, so that a mean that is far larger than the deviations costs no precision.
package struct VectorMoments: Sendable {
  /// The number of elements of a vector.
  package let dimension: Int
  /// The number of vectors.
  package private(set) var count = 0
  /// The mean of the first rows that were added, [dimension].
  private var origin: [Double] = []
  /// The sum of differences from `origin`, [dimension].
  private var sum: [Double]
  /// The sum of products of differences from `origin`, [dimension][dimension]; only the lower triangle is used.
  private var products: [Double]

  /// The moments of no vectors.
  ///
  /// - Parameter dimension: at least 1.
  package init(dimension: Int) {
    self.dimension = dimension
    sum = [Double](repeating: 0, count: dimension)
    products = [Double](repeating: 0, count: dimension * dimension)
  }

  /// Adds vectors. Which are added together, and in which order, affects the rounding of the result.
  ///
  /// - Parameter rows: [n][dimension].
  package mutating func add(_ rows: [Float]) {
    precondition(rows.count.isMultiple(of: dimension), "the rows have another length")
    let added = rows.count / dimension
    guard added > 0 else { return }
    if origin.isEmpty { origin = Self.sum(of: rows.map(Double.init), dimension).map { $0 / Double(added) } }
    var differences = [Double](repeating: 0, count: rows.count)
    for row in 0..<added {
      for column in 0..<dimension {
        differences[row * dimension + column] = Double(rows[row * dimension + column]) - origin[column]
      }
    }
    for (column, value) in Self.sum(of: differences, dimension).enumerated() { sum[column] += value }
    differences.withUnsafeBufferPointer { differences in
      if let base = differences.baseAddress {
        MatrixMath.addMoments(of: base, rows: added, columns: dimension, to: &products)
      }
    }
    count += added
  }

  private static func sum(of rows: [Double], _ dimension: Int) -> [Double] {
    var result = [Double](repeating: 0, count: dimension)
    for start in stride(from: 0, to: rows.count, by: dimension) {
      for column in 0..<dimension { result[column] += rows[start + column] }
    }
    return result
  }

  /// The mean, [dimension]; needs a vector.
  package var mean: [Double] { zip(origin, sum).map { $0 + $1 / Double(count) } }

  /// The lower triangle of the covariance, [dimension][dimension], divided by `count - 1`; needs two vectors.
  package var covariance: [Double] {
    precondition(count > 1, "a covariance needs two vectors")
    var result = products
    for row in 0..<dimension {
      for column in 0...row {
        let index = row * dimension + column
        result[index] = (result[index] - sum[row] * sum[column] / Double(count)) / Double(count - 1)
      }
    }
    return result
  }
}
