import Threads

/// A convolution, or a group of one, as a linear function of sampled patches, whose weights are rounded so that it gives what
/// the float network gives there, though its inputs are those of the quantised network.
package final class LayerFit {
  /// The inputs that are taken together, and their weights.
  package struct Part {
    /// Patches in steps from the zero point, their means taken off, [rows][inputs].
    let patches: Matrix
    let means: [Float]
    /// In real values for a step of input, [inputs][outputs].
    let weights: [Float]
    /// [inputs][outputs].
    package fileprivate(set) var levels: [Int8]
    /// What `levels` are rounded from, in levels.
    var exactLevels: [Float]

    /// - Parameter patches: [rows][inputs]; the means are taken off them.
    package init(patches: Matrix, weights: [Float], levels: [Int8]) {
      (self.patches, self.weights, self.levels) = (patches, weights, levels)
      means = patches.center()
      exactLevels = levels.map { Float($0) }
    }
  }

  package private(set) var parts: [Part]
  /// Real values of a step of weight by a step of input, of each output.
  let scales: [Float]
  /// What the float network gives less what the layer gives, their means taken off, [rows][outputs].
  let difference: Matrix
  private let targetMeans: [Float]
  /// What learning adds to the bias.
  private var biasChange: [Float]
  private let team: ThreadTeam
  /// Outputs that a thread works on. A constant, so that results do not depend on the number of threads.
  private static let sliceSize = 64

  var rows: Int { difference.rows }
  var outputs: Int { difference.columns }
  private var slices: [Range<Int>] {
    (0..<outputs).split(into: Self.sliceSize)
  }

  /// - Parameters:
  ///   - target: what the products of weights and patches and the bias should add up to, [rows][outputs]; it is overwritten.
  ///   - scales: real values of a step of weight by a step of input, of each output.
  package init(target: Matrix, parts: [Part], scales: [Float], team: ThreadTeam) {
    (difference, self.parts, self.scales, self.team) = (target, parts, scales, team)
    targetMeans = target.center()
    biasChange = [Float](repeating: 0, count: target.columns)
  }

  /// Rounds the weights by error feedback (`ErrorFeedback`), part after part, each making up for what those before it
  /// changed. What is rounded are not the float weights W but W + a D: D is the least squares fit of what is missing to the
  /// inputs, the asymmetric calibration of Li et al., "GPTAQ" (arXiv 2504.02692, section 3), damped as the moments are; and a
  /// in 0...1 is what pays on samples that D was not fitted to. Without it, D fits chance: on a ResNet-50 and 64 images drift
  /// is 3.5 times as much with all of D, and 20 % less with what pays.
  ///
  /// - Returns: what is left of the outputs' error but for what no weights could make up for, [rows][outputs].
  package func round() -> Matrix {
    for part in parts { add(part.weights, part, sign: -1, to: difference) }
    let own = Matrix(rows: rows, columns: outputs)
    for index in parts.indices {
      let part = parts[index]
      var goal = part.weights
      if let factor = MomentFactor(moments(part, 0..<rows), inputs: part.means.count, samples: rows) {
        let share = share(part)
        if share > 0 {
          let change = leastSquares(part, 0..<rows, factor)
          for place in goal.indices { goal[place] += share * change[place] }
        }
        round(index, goal, factor)
      }
      let rounded = parts[index].levels.enumerated().map { Float($1) * scales[$0 % outputs] }
      add(zip(part.weights, rounded).map { $0 - $1 }, part, sign: 1, to: difference)
      add(zip(goal, rounded).map { $0 - $1 }, part, sign: 1, to: own)
    }
    return own
  }

  /// Learns for each weight, part after part, whether it is rounded up or down (`LearnedRounding`). Outputs whose error did
  /// not become less keep what they had.
  ///
  /// - Parameters:
  ///   - own: the outputs' error, [rows][outputs].
  ///   - sums: what the float network applies ReLU to, [rows][outputs]; `nil` where it applies none.
  ///   - schedule: of the descent.
  package func learn(_ own: Matrix, sums: Matrix?, _ schedule: LearnedRounding.Schedule) {
    for index in parts.indices {
      let (slices, part) = (slices, parts[index])
      let results = team.map(slices.count) { slice in
        let columns = slices[slice]
        return LearnedRounding(
          OutputError(patches: part.patches, residual: own, sums: sums, columns: columns),
          scales: Array(scales[columns]),
          levels: gather(part.levels, columns), exact: gather(part.exactLevels, columns),
          bias: Array(biasChange[columns]), schedule)
      }
      for (columns, result) in zip(slices, results) {
        scatter(result.levels, columns, to: &parts[index].levels)
        biasChange.replaceSubrange(columns, with: result.bias)
      }
      let change = zip(parts[index].levels, part.levels).enumerated().map { place, levels in
        (Float(levels.0) - Float(levels.1)) * scales[place % outputs]
      }
      add(change, part, sign: -1, to: own)
    }
  }

  /// The bias that leaves no mean error, of the sums of the sample: the correction of Nagel et al. (arXiv 1906.04721, section
  /// 4.2) with what the layers before have really changed.
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
    for (place, value) in values.enumerated() {
      result[place / columns.count * outputs + columns.lowerBound + place % columns.count] = value
    }
  }

  private func round(_ index: Int, _ goal: [Float], _ factor: MomentFactor) {
    let slices = slices
    let results = team.map(slices.count) { slice in
      ErrorFeedback(weights: gather(goal, slices[slice]), scales: Array(scales[slices[slice]]), factor: factor)
    }
    for (columns, result) in zip(slices, results) {
      scatter(result.levels, columns, to: &parts[index].levels)
      scatter(result.exactLevels, columns, to: &parts[index].exactLevels)
    }
  }

  /// Adds to `result` the products of a part's patches and a matrix [inputs][outputs].
  private func add(_ matrix: [Float], _ part: Part, sign: Float, to result: Matrix) {
    let (slices, patches) = (slices, part.patches)
    matrix.withUnsafeBufferPointer { matrix in
      guard let first = matrix.baseAddress else { return }
      team.forEach(slices.count) { index, _ in
        let columns = slices[index]
        BLAS.multiply(
          m: patches.rows, n: columns.count, k: patches.columns, alpha: sign, patches.values, lda: patches.columns,
          first + columns.lowerBound, ldb: outputs, beta: 1, result.values + columns.lowerBound, ldc: outputs)
      }
    }
  }

  private func moments(_ part: Part, _ rows: Range<Int>) -> [Float] {
    let inputs = part.patches.columns
    var result = [Float](repeating: 0, count: inputs * inputs)
    BLAS.addMoments(
      of: part.patches.row(rows.lowerBound), rows: rows.count, columns: inputs, weight: 1 / Float(max(rows.count, 1)),
      to: &result)
    for input in 0..<inputs { result[input * inputs + input] += PatchMoments.rounding }
    return result
  }

  /// The change of weights, [inputs][outputs], that fits what is missing in some rows best.
  private func leastSquares(_ part: Part, _ rows: Range<Int>, _ factor: MomentFactor) -> [Float] {
    let (slices, inputs) = (slices, part.patches.columns)
    let results = team.map(slices.count) { index in
      let columns = slices[index]
      let products = Matrix(rows: inputs, columns: columns.count)
      BLAS.multiply(
        transposing: true, m: inputs, n: columns.count, k: rows.count, alpha: 1 / Float(rows.count),
        part.patches.row(rows.lowerBound), lda: inputs, difference.row(rows.lowerBound) + columns.lowerBound,
        ldb: outputs, beta: 0, products.values, ldc: columns.count)
      return factor.solve(products)
    }
    var change = [Float](repeating: 0, count: inputs * outputs)
    for (columns, result) in zip(slices, results) { scatter(result, columns, to: &change) }
    return change
  }

  /// How much of a least squares change pays: the factor with which a change that is fitted to one half of the rows leaves
  /// least in the other, for both halves together. Rows are ordered by image, so that the halves are of different images.
  private func share(_ part: Part) -> Float {
    let (slices, inputs, half) = (slices, part.patches.columns, rows / 2)
    var (product, power) = (0.0, 0.0)
    for (own, other) in [(0..<half, half..<rows), (half..<rows, 0..<half)] {
      guard !own.isEmpty, let factor = MomentFactor(moments(part, own), inputs: inputs, samples: own.count) else {
        return 0
      }
      let change = leastSquares(part, own, factor)
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

  /// The sums of f d and f² over some rows, f being what a change makes and d what is missing.
  private func fit(
    _ part: Part, _ rows: Range<Int>, _ change: UnsafeBufferPointer<Float>, _ columns: Range<Int>
  ) -> (product: Double, power: Double) {
    guard let first = change.baseAddress else { return (0, 0) }
    let inputs = part.patches.columns
    let fitted = Matrix(rows: rows.count, columns: columns.count)
    BLAS.multiply(
      m: rows.count, n: columns.count, k: inputs, part.patches.row(rows.lowerBound), lda: inputs,
      first + columns.lowerBound, ldb: outputs, beta: 0, fitted.values, ldc: columns.count)
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
