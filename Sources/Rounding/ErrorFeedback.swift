import LinearAlgebra

/// Rounds the weights of linear functions that share their inputs. It minimises the change of the functions' values on
/// the sampled inputs rather than the change of the weights.
///
/// For weights w and their rounded form v, the expected squared change is (w - v) H (w - v)^T with the inputs' second
/// moments H = E[x x^T]: the objective of Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization"
/// (AdaRound, arXiv 2004.10568, equation 13). With H = U D U^T, U unit upper triangular, it is a sum of squares whose
/// k-th term contains only the errors up to k. So weights are rounded one after another, each to the level nearest to
/// the value that compensates for the errors before it (LDLQ of Chee et al., QuIP, arXiv 2307.13304, section 3.1, which
/// gives the same result as Frantar et al., GPTQ, arXiv 2210.17323).
package struct ErrorFeedback {
  /// The rounded weights, [inputs][outputs].
  package private(set) var levels: [Int8]
  /// The errors w - v in real units, [inputs][outputs].
  package private(set) var errors: [Float]
  /// The values that were rounded to the levels: the weights in steps, corrected for the errors before them,
  /// [inputs][outputs].
  private(set) var unroundedLevels: [Float]

  /// The number of inputs that are rounded between two matrix products.
  private static let blockSize = 32

  /// Rounds weights.
  ///
  /// - Parameters:
  ///   - weights: [inputs][outputs], in real units.
  ///   - scales: the weight scale of each output.
  ///   - factor: the factor of the inputs' moments.
  package init(weights: [Float], scales: [Float], factor: MomentFactor) {
    let outputs = scales.count
    let (inputs, order, factor) = (factor.order.count, factor.order, factor.lower)
    let reciprocals = scales.map { 1 / $0 }
    levels = [Int8](repeating: 0, count: weights.count)
    errors = [Float](repeating: 0, count: weights.count)
    unroundedLevels = errors
    // Errors in the order of the factor; the last input is rounded first.
    var sorted = [Float](repeating: 0, count: weights.count)
    var corrections = [Float](repeating: 0, count: Self.blockSize * outputs)
    var end = inputs
    while end > 0 {
      let start = max(0, end - Self.blockSize)
      sorted.withUnsafeMutableBufferPointer { errors in
        corrections.withUnsafeMutableBufferPointer { corrections in
          factor.withUnsafeBufferPointer { factor in
            guard let errors = errors.baseAddress, let corrections = corrections.baseAddress,
              let factor = factor.baseAddress
            else {
              return
            }
            // The corrections that the errors of the inputs after the block require.
            if end < inputs {
              MatrixMath.multiply(
                transposing: true, m: end - start, n: outputs, k: inputs - end, factor + end * inputs + start,
                lda: inputs,
                errors + end * outputs, ldb: outputs, corrections, ldc: outputs)
            } else {
              corrections.update(repeating: 0, count: (end - start) * outputs)
            }
            for row in stride(from: end - 1, through: start, by: -1) {
              let correction = corrections + (row - start) * outputs
              for later in row + 1..<max(end, row + 1) {
                let (weight, error) = (factor[later * inputs + row], errors + later * outputs)
                for output in 0..<outputs { correction[output] += weight * error[output] }
              }
              roundRow(
                order[row], weights, scales, reciprocals, correction, pivot: 1 / factor[row * inputs + row],
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
  ///   - correction: for each output, the change that compensates for earlier errors, divided by `pivot`.
  ///   - pivot: the reciprocal of the factor's diagonal element.
  ///   - errors: set to the errors of these weights, which are also stored in `self.errors`.
  private mutating func roundRow(
    _ input: Int, _ weights: [Float], _ scales: [Float], _ reciprocals: [Float], _ correction: UnsafePointer<Float>,
    pivot: Float, errors: UnsafeMutablePointer<Float>
  ) {
    let first = input * scales.count
    func row<Element>(_ buffer: inout UnsafeMutableBufferPointer<Element>) -> UnsafeMutablePointer<Element>? {
      buffer.baseAddress.map { $0 + first }
    }
    levels.withUnsafeMutableBufferPointer { levels in
      self.errors.withUnsafeMutableBufferPointer { stored in
        unroundedLevels.withUnsafeMutableBufferPointer { unroundedLevels in
          guard let rowLevels = row(&levels), let rowErrors = row(&stored), let rowExact = row(&unroundedLevels)
          else { return }
          for output in 0..<scales.count {
            let weight = weights[first + output]
            let exact = (weight + correction[output] * pivot) * reciprocals[output]
            rowExact[output] = exact
            let level = max(-127, min(127, exact))
            // Adding and subtracting 1.5 x 2^23 rounds to the nearest integer, ties to even, without a call into the C
            // library.
            let rounded = (level + 0x1.8p23) - 0x1.8p23
            rowLevels[output] = Int8(truncatingIfNeeded: Int32(rounded))
            let error = weight - rounded * scales[output]
            rowErrors[output] = error
            errors[output] = error
          }
        }
      }
    }
  }
}
