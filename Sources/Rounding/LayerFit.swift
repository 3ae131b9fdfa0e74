import LinearAlgebra
import Threads

/// A convolution, or a group of one, as a linear function of sampled patches. Its weights are rounded so that its
/// outputs match those of the float network, although its inputs are those of the quantised network.
package final class LayerFit {
  /// Inputs that are fitted together, and their weights.
  package struct Part {
    /// Patches in steps from the zero point, minus their means, [rows][inputs].
    let patches: Matrix
    /// The mean of each input, which was subtracted from `patches`.
    let means: [Float]
    /// The float weights, in real units per step of input, [inputs][outputs].
    let weights: [Float]
    /// The weight levels, [inputs][outputs].
    package fileprivate(set) var levels: [Int8]
    /// The values that were rounded to `levels`, in steps.
    var unroundedLevels: [Float]

    /// - Parameters:
    ///   - patches: in steps from the zero point, [rows][inputs]; the mean of each input is subtracted in place.
    ///   - weights: in real units per step of input, [inputs][outputs].
    ///   - levels: the weights rounded so far, [inputs][outputs].
    package init(patches: Matrix, weights: [Float], levels: [Int8]) {
      (self.patches, self.weights, self.levels) = (patches, weights, levels)
      means = patches.center()
      unroundedLevels = levels.map { Float($0) }
    }
  }

  /// The inputs in groups, whose weights are rounded one group after another.
  package private(set) var parts: [Part]
  /// For each output, the real value of one step of weight times one step of input.
  let scales: [Float]
  /// The float network's outputs minus the layer's, both without their means, [rows][outputs].
  let difference: Matrix
  private let targetMeans: [Float]
  /// The change of the bias that learning found.
  private var biasChange: [Float]
  private let team: ThreadTeam
  /// The number of outputs that a thread works on at a time. It is constant, so that results do not depend on the
  /// number of threads.
  private static let sliceSize = 64

  var rows: Int { difference.rows }
  var outputs: Int { difference.columns }
  private var slices: [Range<Int>] {
    (0..<outputs).split(into: Self.sliceSize)
  }

  /// - Parameters:
  ///   - target: the values that weights times patches plus bias should give, [rows][outputs]; it is overwritten.
  ///   - parts: the inputs and their weights.
  ///   - scales: for each output, the real value of one step of weight times one step of input.
  ///   - team: the threads to work on.
  package init(target: Matrix, parts: [Part], scales: [Float], team: ThreadTeam) {
    (difference, self.parts, self.scales, self.team) = (target, parts, scales, team)
    targetMeans = target.center()
    biasChange = [Float](repeating: 0, count: target.columns)
  }

  /// Rounds the weights by error feedback (`ErrorFeedback`), part after part, each compensating for the changes before
  /// it. The values rounded are not the float weights W but W + a D: D is the least-squares fit of the missing output
  /// to the inputs, the asymmetric calibration of Li et al., "GPTAQ" (arXiv 2504.02692, section 3), damped as the
  /// moments are; and a in 0...1 is the factor that is best on samples that D was not fitted to. Without it, D fits
  /// noise: on a ResNet-50 and 64 images, drift is 3.5 times as high with all of D, and 20 % lower with a D.
  ///
  /// - Returns: the outputs' remaining error, except the part that no weights could compensate for, [rows][outputs].
  package func round() -> Matrix {
    for part in parts { add(part.weights, part, sign: -1, to: difference) }
    let remaining = Matrix(rows: rows, columns: outputs)
    for index in parts.indices {
      let part = parts[index]
      var goal = part.weights
      if let factor = MomentFactor(moments(part, 0..<rows), inputs: part.means.count, samples: rows) {
        let share = share(part)
        if share > 0 {
          let change = leastSquares(part, 0..<rows, factor)
          for position in goal.indices { goal[position] += share * change[position] }
        }
        round(index, goal, factor)
      }
      let rounded = parts[index].levels.enumerated().map { Float($1) * scales[$0 % outputs] }
      add(zip(part.weights, rounded).map { $0 - $1 }, part, sign: 1, to: difference)
      add(zip(goal, rounded).map { $0 - $1 }, part, sign: 1, to: remaining)
    }
    return remaining
  }

  /// Learns for each weight, part after part, whether it is rounded up or down (`LearnedRounding`). Outputs whose error
  /// does not decrease keep their levels.
  ///
  /// - Parameters:
  ///   - remaining: the outputs' error, [rows][outputs], which is updated.
  ///   - sums: the float network's outputs before ReLU, [rows][outputs]; `nil` where it applies none.
  ///   - schedule: the schedule of the descent.
  package func learn(_ remaining: Matrix, sums: Matrix?, _ schedule: LearnedRounding.Schedule) {
    for index in parts.indices {
      let (slices, part) = (slices, parts[index])
      let results = team.map(slices.count) { slice in
        let columns = slices[slice]
        return LearnedRounding(
          OutputError(patches: part.patches, residual: remaining, sums: sums, columns: columns),
          scales: Array(scales[columns]),
          levels: gather(part.levels, columns), exact: gather(part.unroundedLevels, columns),
          bias: Array(biasChange[columns]), schedule)
      }
      for (columns, result) in zip(slices, results) {
        scatter(result.levels, columns, to: &parts[index].levels)
        biasChange.replaceSubrange(columns, with: result.bias)
      }
      let change = zip(parts[index].levels, part.levels).enumerated().map { position, levels in
        (Float(levels.0) - Float(levels.1)) * scales[position % outputs]
      }
      add(change, part, sign: -1, to: remaining)
    }
  }

  /// The bias that leaves no mean error in the sample's sums, in real units: the correction of Nagel et al. (arXiv
  /// 1906.04721, section 4.2), with the actual changes of the layers before.
  package var bias: [Double] {
    var result = (0..<outputs).map { Double(targetMeans[$0]) + Double(biasChange[$0]) }
    for part in parts {
      for (input, mean) in part.means.enumerated() {
        for output in 0..<outputs {
          result[output] -= Double(part.levels[input * outputs + output]) * Double(scales[output]) * Double(mean)
        }
      }
    }
    return result
  }

  // MARK: - Steps

  private func gather<Element>(_ values: [Element], _ columns: Range<Int>) -> [Element] {
    var result: [Element] = []
    result.reserveCapacity(values.count / max(outputs, 1) * columns.count)
    for first in stride(from: 0, to: values.count, by: outputs) {
      result += values[first + columns.lowerBound..<first + columns.upperBound]
    }
    return result
  }

  private func scatter<Element>(_ values: [Element], _ columns: Range<Int>, to result: inout [Element]) {
    for (position, value) in values.enumerated() {
      result[position / columns.count * outputs + columns.lowerBound + position % columns.count] = value
    }
  }

  private func round(_ index: Int, _ goal: [Float], _ factor: MomentFactor) {
    let slices = slices
    let results = team.map(slices.count) { slice in
      ErrorFeedback(weights: gather(goal, slices[slice]), scales: Array(scales[slices[slice]]), factor: factor)
    }
    for (columns, result) in zip(slices, results) {
      scatter(result.levels, columns, to: &parts[index].levels)
      scatter(result.unroundedLevels, columns, to: &parts[index].unroundedLevels)
    }
  }

  /// Adds the product of a part's patches and a matrix [inputs][outputs], times `sign`, to `result`.
  private func add(_ matrix: [Float], _ part: Part, sign: Float, to result: Matrix) {
    let (slices, patches) = (slices, part.patches)
    matrix.withUnsafeBufferPointer { matrix in
      guard let first = matrix.baseAddress else { return }
      team.forEach(slices.count) { index, _ in
        let columns = slices[index]
        MatrixMath.multiply(
          m: patches.rows, n: columns.count, k: patches.columns, alpha: sign, patches.values, lda: patches.columns,
          first + columns.lowerBound, ldb: outputs, adding: true, result.values + columns.lowerBound, ldc: outputs)
      }
    }
  }

  private func moments(_ part: Part, _ rows: Range<Int>) -> [Float] {
    let inputs = part.patches.columns
    var result = [Float](repeating: 0, count: inputs * inputs)
    MatrixMath.addMoments(
      of: part.patches.row(rows.lowerBound), rows: rows.count, columns: inputs, weight: 1 / Float(max(rows.count, 1)),
      to: &result)
    for input in 0..<inputs { result[input * inputs + input] += PatchMoments.rounding }
    return result
  }

  /// The change of weights, [inputs][outputs], that is the least-squares fit to `difference` in some rows.
  private func leastSquares(_ part: Part, _ rows: Range<Int>, _ factor: MomentFactor) -> [Float] {
    let (slices, inputs) = (slices, part.patches.columns)
    let results = team.map(slices.count) { index in
      let columns = slices[index]
      let products = Matrix(rows: inputs, columns: columns.count)
      MatrixMath.multiply(
        transposing: true, m: inputs, n: columns.count, k: rows.count, alpha: 1 / Float(rows.count),
        part.patches.row(rows.lowerBound), lda: inputs, difference.row(rows.lowerBound) + columns.lowerBound,
        ldb: outputs, products.values, ldc: columns.count)
      return factor.solve(products)
    }
    var change = [Float](repeating: 0, count: inputs * outputs)
    for (columns, result) in zip(slices, results) { scatter(result, columns, to: &change) }
    return change
  }

  /// The factor, from 0 to 1, for a least-squares change: with it, a change fitted to one half of the rows leaves the
  /// smallest error in the other, for both halves together. Rows are ordered by image, so that the halves are of
  /// different images.
  private func share(_ part: Part) -> Float {
    let (slices, inputs, half) = (slices, part.patches.columns, rows / 2)
    var (product, power) = (0.0, 0.0)
    for (fitted, other) in [(0..<half, half..<rows), (half..<rows, 0..<half)] {
      guard !fitted.isEmpty, let factor = MomentFactor(moments(part, fitted), inputs: inputs, samples: fitted.count)
      else {
        return 0
      }
      let change = leastSquares(part, fitted, factor)
      let sums = change.withUnsafeBufferPointer { change in
        team.map(slices.count) { index in
          fit(part, other, change, slices[index])
        }
      }
      product += sums.reduce(0) { $0 + $1.product }
      power += sums.reduce(0) { $0 + $1.power }
    }
    return power > 0 ? Float(max(0, min(1, product / power))) : 0
  }

  /// The sums of f d and f² over some rows, where f is the effect of a change and d is `difference`.
  private func fit(
    _ part: Part, _ rows: Range<Int>, _ change: UnsafeBufferPointer<Float>, _ columns: Range<Int>
  ) -> (product: Double, power: Double) {
    guard let first = change.baseAddress else { return (0, 0) }
    let inputs = part.patches.columns
    let fitted = Matrix(rows: rows.count, columns: columns.count)
    MatrixMath.multiply(
      m: rows.count, n: columns.count, k: inputs, part.patches.row(rows.lowerBound), lda: inputs,
      first + columns.lowerBound, ldb: outputs, fitted.values, ldc: columns.count)
    var (product, power) = (0.0, 0.0)
    for row in 0..<rows.count {
      let missing = difference.row(rows.lowerBound + row) + columns.lowerBound
      for column in 0..<columns.count {
        let value = fitted.row(row)[column]
        product += Double(value * missing[column])
        power += Double(value * value)
      }
    }
    return (product, power)
  }
}
