/// The factors that a tensor's elements are multiplied by when they are read.
struct TensorFactors: Sendable {
  /// One factor for each index of the first axis.
  var rows: [Double]
  /// One factor for each index of the last axis, for each of one or more groups of rows; `nil` if all are 1.
  var columns: [Double]?

  /// Multiplies elements in row-major order and rounds each of them once.
  ///
  /// - Parameter depth: the extent of the last axis.
  func apply(to elements: UnsafeMutableBufferPointer<Float>, depth: Int) {
    let length = elements.count / max(rows.count, 1)
    guard let columns else {
      for (row, factor) in rows.enumerated() {
        for index in row * length..<(row + 1) * length { elements[index] = Float(Double(elements[index]) * factor) }
      }
      return
    }
    let rowsPerGroup = max(1, rows.count * depth / max(columns.count, 1))
    for (row, factor) in rows.enumerated() {
      let first = row / rowsPerGroup * depth
      for start in stride(from: row * length, to: (row + 1) * length, by: depth) {
        for column in 0..<depth {
          elements[start + column] = Float(Double(elements[start + column]) * (columns[first + column] * factor))
        }
      }
    }
  }
}
