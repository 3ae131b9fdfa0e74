/// A row-major matrix of floats. Threads may write to different elements at the same time.
package final class Matrix: @unchecked Sendable {
  /// The number of rows.
  package let rows: Int
  /// The number of columns.
  package let columns: Int
  /// The elements, [rows][columns].
  package let values: UnsafeMutablePointer<Float>

  /// A matrix of zeros.
  package init(rows: Int, columns: Int) {
    (self.rows, self.columns) = (rows, columns)
    values = .allocate(capacity: max(rows * columns, 1))
    values.initialize(repeating: 0, count: max(rows * columns, 1))
  }

  deinit { values.deallocate() }

  func row(_ index: Int) -> UnsafeMutablePointer<Float> { values + index * columns }

  /// The mean of the squares of each column.
  var meanSquares: [Float] {
    var sums = [Float](repeating: 0, count: columns)
    for row in 0..<rows {
      let line = self.row(row)
      for column in 0..<columns { sums[column] += line[column] * line[column] }
    }
    return sums.map { $0 / Float(max(rows, 1)) }
  }

  /// Subtracts its mean from each column.
  ///
  /// - Returns: the means.
  func center() -> [Float] {
    var sums = [Double](repeating: 0, count: columns)
    for row in 0..<rows {
      for column in 0..<columns { sums[column] += Double(values[row * columns + column]) }
    }
    let means = sums.map { Float($0 / Double(max(rows, 1))) }
    for row in 0..<rows {
      for column in 0..<columns { values[row * columns + column] -= means[column] }
    }
    return means
  }
}
