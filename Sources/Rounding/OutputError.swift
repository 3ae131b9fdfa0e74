/// The squared error that some outputs of a layer have after their activation, and its gradients by weights and bias: the
/// asymmetric objective of AdaRound (arXiv 2004.10568, equation 25), whose inputs are those of the quantised network.
package struct OutputError {
  /// [rows][inputs].
  let patches: Matrix
  /// What the outputs lack, before the activation, [rows][all outputs].
  let residual: Matrix
  /// What the float network applies ReLU to, [rows][all outputs]; `nil` where it applies none.
  let sums: Matrix?
  /// The outputs that are looked at.
  let columns: Range<Int>

  /// Every `step`-th row from `first`, `count` of them.
  package struct Rows {
    let first: Int
    let step: Int
    package let count: Int

    package init(first: Int, step: Int, count: Int) { (self.first, self.step, self.count) = (first, step, count) }
  }

  package init(patches: Matrix, residual: Matrix, sums: Matrix?, columns: Range<Int>) {
    (self.patches, self.residual, self.sums, self.columns) = (patches, residual, sums, columns)
  }

  /// The error of outputs after a change of weights and bias.
  ///
  /// - Parameters:
  ///   - change: of weights, [inputs][columns]; `nil`: none.
  ///   - errors: set to e = f(t) - f(t - d), [rows][columns], where the outputs pass the activation f, and to 0 where not.
  ///   - passing: set to how many rows pass f, for each column.
  /// - Returns: for each column the sum of e² over all rows.
  @discardableResult
  package func errors(
    _ rows: Rows, change: Matrix?, bias: [Float], to errors: Matrix, passing: inout [Float]
  ) -> [Double] {
    let (width, outputs) = (columns.count, residual.columns)
    if let change {
      BLAS.multiply(
        m: rows.count, n: width, k: patches.columns, patches.row(rows.first), lda: patches.columns * rows.step,
        change.values, ldb: width, beta: 0, errors.values, ldc: width)
    }
    var squares = [Double](repeating: 0, count: width)
    for column in 0..<width { passing[column] = 0 }
    for index in 0..<rows.count {
      let place = (rows.first + index * rows.step) * outputs + columns.lowerBound
      let line = errors.row(index)
      for column in 0..<width {
        var error = residual.values[place + column] - (change == nil ? 0 : line[column]) - bias[column]
        var passes: Float = 1
        if let sums {
          let wanted = sums.values[place + column]
          passes = wanted - error > 0 ? 1 : 0
          error = max(wanted, 0) - max(wanted - error, 0)
        }
        squares[column] += Double(error * error)
        passing[column] += passes
        line[column] = error * passes
      }
    }
    return squares
  }

  /// Half the gradient of the mean squared error by the change of weights, [inputs][columns]: -x^T e over the rows.
  ///
  /// - Parameter errors: of `errors` for the same rows.
  package func gradient(_ rows: Rows, errors: Matrix, to gradient: Matrix) {
    BLAS.multiply(
      transposing: true, m: patches.columns, n: columns.count, k: rows.count, alpha: -1 / Float(rows.count),
      patches.row(rows.first), lda: patches.columns * rows.step, errors.values, ldb: columns.count, beta: 0,
      gradient.values, ldc: columns.count)
  }
}
