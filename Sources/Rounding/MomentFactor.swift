/// The Cholesky factor of inputs' damped second moments, with which error feedback and least squares work.
struct MomentFactor {
  /// The inputs in the order of the factor's rows.
  let order: [Int]
  /// L, lower triangular, [inputs][inputs]; L L^T are the damped moments.
  let lower: [Float]

  /// Share of the mean second moment that is added to each. One percent (GPTQ, section 3.3) is enough where samples are
  /// many; moments of few hold chance dependences, which shrinking by as much as there are inputs by samples keeps from
  /// being believed (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
  /// Multivariate Analysis 88, 2004, section 2). Half the factor, and a least of 0.3 %, changed no figure by 1 %.
  private static func damping(inputs: Int, samples: Int) -> Float {
    max(0.01, 0.4 * Float(inputs) / Float(max(samples, 1)))
  }

  /// - Parameters:
  ///   - moments: H, [inputs][inputs], of which the lower triangle is read.
  ///   - samples: inputs that the moments are a mean of.
  /// - Returns: `nil` where H is not positive definite even with damping.
  init?(_ moments: [Float], inputs: Int, samples: Int) {
    order = Self.order(moments, inputs)
    guard let lower = Self.cholesky(moments, order, damping: Self.damping(inputs: inputs, samples: samples)) else {
      return nil
    }
    self.lower = lower
  }

  /// `H^-1 b` with the damped moments, b [inputs][any].
  func solve(_ b: Matrix) -> [Float] {
    let ordered = Matrix(rows: b.rows, columns: b.columns)
    for (row, input) in order.enumerated() { ordered.row(row).update(from: b.row(input), count: b.columns) }
    lower.withUnsafeBufferPointer { lower in
      if let l = lower.baseAddress { BLAS.solve(l, n: b.rows, m: b.columns, ordered.values) }
    }
    for (row, input) in order.enumerated() { b.row(input).update(from: ordered.row(row), count: b.columns) }
    return Array(UnsafeBufferPointer(start: b.values, count: b.rows * b.columns))
  }

  /// The inputs by ascending second moment; of equals the later first, so that rounding, which begins at the end, takes
  /// the strongest first.
  private static func order(_ moments: [Float], _ count: Int) -> [Int] {
    (0..<count).sorted { (moments[$0 * count + $0], $1) < (moments[$1 * count + $1], $0) }
  }

  /// The lower Cholesky factor of the damped moments in another order, row-major.
  private static func cholesky(_ moments: [Float], _ order: [Int], damping: Float) -> [Float]? {
    let count = order.count
    var trace: Float = 0
    for index in 0..<count { trace += moments[index * count + index] }
    guard trace > 0, trace.isFinite else { return nil }
    let damping = damping * trace / Float(count)
    var result = [Float](repeating: 0, count: count * count)
    for row in 0..<count {
      for column in 0...row {
        let (a, b) = (max(order[row], order[column]), min(order[row], order[column]))
        result[row * count + column] = moments[a * count + b] + (row == column ? damping : 0)
      }
    }
    return BLAS.choleskyLower(&result, count: count) ? result : nil
  }
}
