import LinearAlgebra

/// The squared error of some outputs of a layer after their activation function, and its gradient with respect to the
/// weights: the asymmetric objective of AdaRound (arXiv 2004.10568, equation 25), whose inputs are those of the
/// quantised network.
package struct OutputError {
  /// The layer's inputs, [rows][inputs].
  let patches: Matrix
  /// The float network's outputs minus the layer's, before the activation function, [rows][all outputs].
  let residual: Matrix
  /// The float network's outputs before ReLU, [rows][all outputs]; `nil` where it applies none.
  let sums: Matrix?
  /// The outputs that the error is computed for.
  let columns: Range<Int>

  /// Every `step`-th row from `first`, `count` of them.
  package struct Rows {
    let first: Int
    let step: Int
    /// The number of rows.
    package let count: Int

    package init(first: Int, step: Int, count: Int) { (self.first, self.step, self.count) = (first, step, count) }
  }

  /// - Parameters:
  ///   - patches: the layer's inputs, [rows][inputs].
  ///   - residual: the float network's outputs minus the layer's, before the activation function, [rows][all outputs].
  ///   - sums: the float network's outputs before ReLU, [rows][all outputs]; `nil` where it applies none.
  ///   - columns: the outputs that the error is computed for.
  package init(patches: Matrix, residual: Matrix, sums: Matrix?, columns: Range<Int>) {
    (self.patches, self.residual, self.sums, self.columns) = (patches, residual, sums, columns)
  }

  /// The error of the outputs after a change of weights and bias.
  ///
  /// - Parameters:
  ///   - rows: the rows to use.
  ///   - change: the change of weights, [inputs][columns]; `nil` for none.
  ///   - bias: the change of the bias, for each column.
  ///   - errors: set to e = f(t) - f(t - d), [rows][columns], where outputs pass the activation function f, and to 0
  ///     elsewhere.
  ///   - passing: set to the number of rows that pass f, for each column.
  /// - Returns: the sum of e² over the rows, for each column.
  @discardableResult
  package func errors(
    _ rows: Rows, change: Matrix?, bias: [Float], to errors: Matrix, passing: inout [Float]
  ) -> [Double] {
    let (width, outputs) = (columns.count, residual.columns)
    if let change {
      MatrixMath.multiply(
        m: rows.count, n: width, k: patches.columns, patches.row(rows.first), lda: patches.columns * rows.step,
        change.values, ldb: width, errors.values, ldc: width)
    }
    // Without a change, nothing is subtracted.
    let factor: Float = change == nil ? 0 : 1
    if change == nil { errors.values.update(repeating: 0, count: rows.count * width) }
    var squares = [Double](repeating: 0, count: width)
    squares.withUnsafeMutableBufferPointer { squares in
      passing.withUnsafeMutableBufferPointer { passing in
        bias.withUnsafeBufferPointer { bias in
          guard let squares = squares.baseAddress, let passing = passing.baseAddress, let bias = bias.baseAddress else {
            return
          }
          let allPass = sums == nil ? Float(rows.count) : 0
          for column in 0..<width { passing[column] = allPass }
          for index in 0..<rows.count {
            let offset = (rows.first + index * rows.step) * outputs + columns.lowerBound
            let (line, missing) = (errors.row(index), residual.values + offset)
            guard let target = sums.map({ $0.values + offset }) else {
              for column in 0..<width {
                let error = missing[column] - factor * line[column] - bias[column]
                squares[column] += Double(error * error)
                line[column] = error
              }
              continue
            }
            for column in 0..<width {
              let before = missing[column] - factor * line[column] - bias[column]
              let passes: Float = target[column] - before > 0 ? 1 : 0
              let error = max(target[column], 0) - max(target[column] - before, 0)
              squares[column] += Double(error * error)
              passing[column] += passes
              line[column] = error * passes
            }
          }
        }
      }
    }
    return squares
  }

  /// Half the gradient of the mean squared error with respect to the change of weights: the mean of -x^T e over the
  /// rows.
  ///
  /// - Parameters:
  ///   - rows: the rows to use.
  ///   - errors: the errors of these rows, as `errors(_:change:bias:to:passing:)` sets them.
  ///   - gradient: set to the result, [inputs][columns].
  package func gradient(_ rows: Rows, errors: Matrix, to gradient: Matrix) {
    MatrixMath.multiply(
      transposing: true, m: patches.columns, n: columns.count, k: rows.count, alpha: -1 / Float(rows.count),
      patches.row(rows.first), lda: patches.columns * rows.step, errors.values, ldb: columns.count,
      gradient.values, ldc: columns.count)
  }
}
