import LinearAlgebra

/// The Cholesky factor of inputs' damped second moments, on which error feedback and least squares are based.
package struct MomentFactor {
  /// The inputs in the order of the factor's rows.
  let order: [Int]
  /// L, lower triangular, [inputs][inputs]; L L^T are the damped moments.
  let lower: [Float]

  /// The share of the mean second moment that is added to each input's second moment. One percent (GPTQ, section 3.3)
  /// is enough for many samples. Moments of few samples contain spurious correlations, which shrinkage in proportion to
  /// inputs divided by samples suppresses (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional
  /// covariance matrices", Journal of Multivariate Analysis 88, 2004, section 2). Half the factor, and a minimum of 0.3
  /// %, changed no figure by 1 %.
  private static func damping(inputs: Int, samples: Int) -> Float {
    max(0.01, 0.4 * Float(inputs) / Float(max(samples, 1)))
  }

  /// Factorises second moments.
  ///
  /// - Parameters:
  ///   - moments: H, [inputs][inputs]; only the lower triangle is read.
  ///   - inputs: the number of inputs.
  ///   - samples: the number of samples that the moments are a mean of.
  /// - Returns: `nil` where H is not positive definite even with damping.
  package init?(_ moments: [Float], inputs: Int, samples: Int) {
    self.init(inputs: inputs, samples: samples) { moments[$0 * inputs + $1] }
  }

  /// - Returns: `nil` where the covariance is not positive definite even with damping.
  init?(_ moments: PatchMoments) {
    self.init(inputs: moments.inputs, samples: moments.samples, moments.covariance)
  }

  /// - Parameter moment: the second moment of two inputs, given the larger index first.
  @inline(__always)
  private init?(inputs: Int, samples: Int, _ moment: (Int, Int) -> Float) {
    // By ascending second moment, and of equal ones the later first: rounding begins at the end, with the strongest.
    let diagonal = (0..<inputs).map { moment($0, $0) }
    order = (0..<inputs).sorted { (diagonal[$0], $1) < (diagonal[$1], $0) }
    let trace = diagonal.reduce(0, +)
    guard trace > 0, trace.isFinite else { return nil }
    let damping = Self.damping(inputs: inputs, samples: samples) * trace / Float(inputs)
    var lower = [Float](repeating: 0, count: inputs * inputs)
    for row in 0..<inputs {
      for column in 0...row {
        lower[row * inputs + column] = moment(max(order[row], order[column]), min(order[row], order[column]))
      }
      lower[row * inputs + row] += damping
    }
    guard MatrixMath.choleskyLower(&lower, count: inputs) else { return nil }
    self.lower = lower
  }

  /// `H^-1 b` with the damped moments, b [inputs][any]; b is overwritten.
  func solve(_ b: Matrix) -> [Float] {
    let ordered = Matrix(rows: b.rows, columns: b.columns)
    for (row, input) in order.enumerated() { ordered.row(row).update(from: b.row(input), count: b.columns) }
    lower.withUnsafeBufferPointer { lower in
      if let l = lower.baseAddress { MatrixMath.solve(l, n: b.rows, m: b.columns, ordered.values) }
    }
    for (row, input) in order.enumerated() { b.row(input).update(from: ordered.row(row), count: b.columns) }
    return Array(UnsafeBufferPointer(start: b.values, count: b.rows * b.columns))
  }
}
