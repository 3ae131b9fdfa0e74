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
  /// What was rounded to the levels: the weights in steps with what makes up for the errors before them, [inputs][outputs].
  private(set) var exactLevels: [Float]

  /// Inputs that are rounded between two matrix products.
  private static let blockSize = 32

  /// - Parameters:
  ///   - weights: [inputs][outputs].
  ///   - scales: of each output.
  ///   - factor: of the inputs' moments.
  package init(weights: [Float], scales: [Float], factor: MomentFactor) {
    let outputs = scales.count
    let (inputs, order, factor) = (factor.order.count, factor.order, factor.lower)
    let reciprocals = scales.map { 1 / $0 }
    levels = [Int8](repeating: 0, count: weights.count)
    errors = [Float](repeating: 0, count: weights.count)
    exactLevels = errors
    // In the order of the factor; the last is rounded first.
    var sorted = [Float](repeating: 0, count: weights.count)
    var wanted = [Float](repeating: 0, count: Self.blockSize * outputs)
    var end = inputs
    while end > 0 {
      let start = max(0, end - Self.blockSize)
      sorted.withUnsafeMutableBufferPointer { errors in
        wanted.withUnsafeMutableBufferPointer { wanted in
          factor.withUnsafeBufferPointer { factor in
            guard let errors = errors.baseAddress, let wanted = wanted.baseAddress, let factor = factor.baseAddress
            else {
              return
            }
            // What the errors of the inputs behind the block ask of it.
            if end < inputs {
              BLAS.multiply(
                transposing: true, m: end - start, n: outputs, k: inputs - end, factor + end * inputs + start,
                lda: inputs,
                errors + end * outputs, ldb: outputs, beta: 0, wanted, ldc: outputs)
            } else {
              wanted.update(repeating: 0, count: (end - start) * outputs)
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
    func row<Element>(_ buffer: inout UnsafeMutableBufferPointer<Element>) -> UnsafeMutablePointer<Element>? {
      buffer.baseAddress.map { $0 + first }
    }
    levels.withUnsafeMutableBufferPointer { levels in
      self.errors.withUnsafeMutableBufferPointer { kept in
        exactLevels.withUnsafeMutableBufferPointer { exactLevels in
          guard let rowLevels = row(&levels), let rowKept = row(&kept), let rowExact = row(&exactLevels) else { return }
          for output in 0..<scales.count {
            let weight = weights[first + output]
            let exact = (weight + asked[output] * pivot) * reciprocals[output]
            rowExact[output] = exact
            let level = max(-127, min(127, exact))
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
}
