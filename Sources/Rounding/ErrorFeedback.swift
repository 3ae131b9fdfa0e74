/// Rounds the weights of linear functions of the same inputs so that the functions' values change least on the inputs that
/// were seen, not the weights themselves.
///
/// For weights w and their rounded form v, the expected squared change is (w - v) H (w - v)^T with the inputs' second
/// moments H = E[x x^T]: the objective of Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization"
/// (AdaRound, arXiv 2004.10568, equation 13). With H = U D U^T, U unit upper triangular, it is a sum of squares of which the
/// k-th holds only the errors up to k; so weights are rounded one after another, each to the level nearest to what makes
/// up for the errors before it (LDLQ of Chee et al., QuIP, arXiv 2307.13304, section 3.1, which gives the same as Frantar et
/// al., GPTQ, arXiv 2210.17323).
package struct ErrorFeedback {
  /// Levels, [inputs][outputs].
  package private(set) var levels: [Int8]
  /// w - v in real units, [inputs][outputs].
  package private(set) var errors: [Float]

  /// Inputs that are rounded between two matrix products.
  private static let blockSize = 32
  /// Share of the mean second moment that is added to each. One percent (GPTQ, section 3.3) is enough where samples are
  /// many; moments of few hold chance dependences, which shrinking by as much as there are inputs by samples keeps from
  /// being believed (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
  /// Multivariate Analysis 88, 2004, section 2). Half the factor, and a least of 0.3 %, changed no figure by 1 %.
  private static func damping(inputs: Int, samples: Int) -> Float {
    max(0.01, 0.4 * Float(inputs) / Float(max(samples, 1)))
  }

  /// - Parameters:
  ///   - weights: [inputs][outputs].
  ///   - scales: of each output.
  ///   - moments: H, [inputs][inputs], of which the lower triangle is read; it is overwritten.
  ///   - samples: inputs that the moments are a mean of.
  /// - Returns: `nil` where H is not positive definite even with damping.
  package init?(weights: [Float], scales: [Float], moments: inout [Float], samples: Int) {
    let outputs = scales.count
    let inputs = outputs == 0 ? 0 : weights.count / outputs
    let order = Self.order(moments, inputs)
    let damping = Self.damping(inputs: inputs, samples: samples)
    guard var factor = Self.cholesky(moments, order, damping: damping) else { return nil }
    moments = []
    let reciprocals = scales.map { 1 / $0 }
    levels = [Int8](repeating: 0, count: weights.count)
    errors = [Float](repeating: 0, count: weights.count)
    // In the order of the factor; the last is rounded first.
    var sorted = [Float](repeating: 0, count: weights.count)
    var wanted = [Float](repeating: 0, count: Self.blockSize * outputs)
    var end = inputs
    while end > 0 {
      let start = max(0, end - Self.blockSize)
      for index in wanted.indices { wanted[index] = 0 }
      sorted.withUnsafeMutableBufferPointer { errors in
        wanted.withUnsafeMutableBufferPointer { wanted in
          factor.withUnsafeBufferPointer { factor in
            guard let errors = errors.baseAddress, let wanted = wanted.baseAddress, let factor = factor.baseAddress
            else {
              return
            }
            // What the errors of the inputs behind the block ask of it.
            if end < inputs {
              BLAS.multiplyTransposingFirst(
                m: end - start, n: outputs, k: inputs - end, a: factor + end * inputs + start, lda: inputs,
                b: errors + end * outputs, ldb: outputs, c: wanted, ldc: outputs)
            }
            for row in stride(from: end - 1, through: start, by: -1) {
              let asked = wanted + (row - start) * outputs
              for later in row + 1..<max(end, row + 1) {
                let (weight, error) = (factor[later * inputs + row], errors + later * outputs)
                for output in 0..<outputs { asked[output] += weight * error[output] }
              }
              roundRow(
                order[row], weights, scales, reciprocals, asked, pivot: 1 / factor[row * inputs + row],
                errors: errors + row * outputs)
            }
          }
        }
      }
      end = start
    }
    factor = []
  }

  /// Rounds the weights of one input.
  ///
  /// - Parameters:
  ///   - asked: of the weights, by the errors before them, times the pivot of the factor.
  ///   - errors: take what is left, as `self.errors` does.
  private mutating func roundRow(
    _ input: Int, _ weights: [Float], _ scales: [Float], _ reciprocals: [Float], _ asked: UnsafePointer<Float>,
    pivot: Float, errors: UnsafeMutablePointer<Float>
  ) {
    let first = input * scales.count
    levels.withUnsafeMutableBufferPointer { levels in
      self.errors.withUnsafeMutableBufferPointer { kept in
        weights.withUnsafeBufferPointer { weights in
          guard let levels = levels.baseAddress, let kept = kept.baseAddress, let weights = weights.baseAddress else {
            return
          }
          let (rowLevels, rowKept, rowWeights) = (levels + first, kept + first, weights + first)
          for output in 0..<scales.count {
            let weight = rowWeights[output]
            let level = max(-127, min(127, (weight + asked[output] * pivot) * reciprocals[output]))
            // Adding and subtracting 1.5 x 2^23 rounds to the nearest integer, of two to the even one, without a call into
            // the C library.
            let rounded = (level + 0x1.8p23) - 0x1.8p23
            rowLevels[output] = Int8(truncatingIfNeeded: Int32(rounded))
            let error = weight - rounded * scales[output]
            rowKept[output] = error
            errors[output] = error
          }
        }
      }
    }
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
