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
    // Nothing is taken off where nothing was changed.
    let taken: Float = change == nil ? 0 : 1
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
            let place = (rows.first + index * rows.step) * outputs + columns.lowerBound
            let (line, missing) = (errors.row(index), residual.values + place)
            guard let wanted = sums.map({ $0.values + place }) else {
              for column in 0..<width {
                let error = missing[column] - taken * line[column] - bias[column]
                squares[column] += Double(error * error)
                line[column] = error
              }
              continue
            }
            for column in 0..<width {
              let before = missing[column] - taken * line[column] - bias[column]
              let passes: Float = wanted[column] - before > 0 ? 1 : 0
              let error = max(wanted[column], 0) - max(wanted[column] - before, 0)
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
