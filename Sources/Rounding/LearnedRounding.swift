/// Learns for each weight whether it is rounded up or down, by gradient descent on the squared error of a layer's
/// outputs after its activation: AdaRound of Nagel et al. (arXiv 2004.10568, section 3.2).
///
/// A weight is floor(w) + h levels, with h in 0...1. As in equation 21, a regulariser drives h to 0 or 1. It is 1 - (2h
/// - 1)^2, equation 24 with the exponent 2. Instead of the exponent its factor changes, from 0 to the curvature of the
/// error with respect to that weight, where no value of h between 0 and 1 has an error less than both ends. h itself is
/// learned and clipped, instead of a rectified sigmoid's argument (equation 23), which saves the exponentials.
package struct LearnedRounding {
  /// The length and the speed of the descent.
  package struct Schedule {
    /// The number of gradient steps.
    package var steps: Int
    /// The learning rate of Adam (Kingma and Ba, arXiv 1412.6980), in levels.
    var rate: Float = 0.02
    /// The number of rows per step.
    package private(set) var batch = 256
    /// The share of the steps without the regulariser.
    var warmUp: Float = 0.2

    /// The maximum number of multiplications for a part of a layer, and the maximum number of steps, which small layers
    /// take.
    private static let (productLimit, stepLimit) = (4_000_000_000, 2000)
    /// Fewer steps than these do more harm than good.
    private static let minSteps = 100

    /// The schedule for a layer.
    ///
    /// - Parameters:
    ///   - weights: the number of weights that are learned together.
    ///   - rows: the number of rows of the sample.
    /// - Returns: `nil` for a layer that is too large.
    package init?(weights: Int, rows: Int) {
      batch = min(batch, max(rows, 1))
      steps = min(Self.stepLimit, Self.productLimit / max(2 * weights * batch, 1))
      if steps < Self.minSteps { return nil }
    }
  }

  /// The learned levels, [inputs][outputs].
  private(set) var levels: [Int8]
  /// The learned change of the bias, in real units.
  private(set) var bias: [Float]

  /// - Parameters:
  ///   - error: the outputs' error with `levels`.
  ///   - scales: for each output, the real value of a level.
  ///   - levels: the levels to start from, [inputs][outputs].
  ///   - exact: the real numbers that `levels` were rounded from; a weight gets one of the two neighbouring levels.
  ///   - bias: the change of the bias to start from.
  init(
    _ error: OutputError, scales: [Float], levels: [Int8], exact: [Float], bias: [Float], _ schedule: Schedule
  ) {
    let outputs = scales.count
    (self.levels, self.bias) = (levels, bias)
    let all = OutputError.Rows(first: 0, step: 1, count: error.patches.rows)
    let errors = Matrix(rows: all.count, columns: outputs)
    var passing = [Float](repeating: 0, count: outputs)
    let before = error.errors(all, change: nil, bias: bias, to: errors, passing: &passing)

    var descent = Descent(error, scales: scales, levels: levels, exact: exact, bias: bias, schedule)
    let batches = max(1, all.count / schedule.batch)
    for step in 0..<schedule.steps {
      // Multiplying by a prime spreads consecutive steps over the batches.
      descent.step(step, .init(first: step * 7919 % batches, step: batches, count: min(schedule.batch, all.count)))
    }
    let learned = descent.rounded
    let change = descent.change(to: learned)
    // A few Newton steps on the bias bring the mean error close to zero.
    for _ in 0..<4 {
      error.errors(all, change: change, bias: descent.bias, to: errors, passing: &passing)
      descent.correctBias(errors, passing, share: 1)
    }
    let after = error.errors(all, change: change, bias: descent.bias, to: errors, passing: &passing)
    for output in 0..<outputs where after[output] < before[output] {
      for index in stride(from: output, to: levels.count, by: outputs) { self.levels[index] = learned[index] }
      self.bias[output] = descent.bias[output]
    }
  }

  /// The variables and their moments.
  private struct Descent {
    let error: OutputError
    let scales: [Float]
    let schedule: Schedule
    let start: [Int8]
    /// The lower of each weight's two levels.
    let floors: [Float]
    var bias: [Float]
    /// h, and the moments of its gradient.
    let (share, first, second): (Matrix, Matrix, Matrix)
    /// Factors that turn a gradient with respect to real weights into one with respect to h, in units of the curvature.
    let factors: Matrix
    private let (changes, gradient, errors): (Matrix, Matrix, Matrix)
    private var passing: [Float]
    private var decay: (first: Float, second: Float) = (1, 1)

    init(
      _ error: OutputError, scales: [Float], levels: [Int8], exact: [Float], bias: [Float], _ schedule: Schedule
    ) {
      let (inputs, outputs) = (error.patches.columns, scales.count)
      (self.error, self.scales, self.schedule, self.bias, start) = (error, scales, schedule, bias, levels)
      func variables() -> Matrix { Matrix(rows: inputs, columns: outputs) }
      (share, first, second, factors) = (variables(), variables(), variables(), variables())
      (changes, gradient, errors) = (variables(), variables(), Matrix(rows: schedule.batch, columns: outputs))
      passing = [Float](repeating: 0, count: outputs)
      floors = exact.map { max(-127, min(126, $0.rounded(.down))) }
      let power = error.patches.meanSquares
      for index in levels.indices {
        share.values[index] = max(0, min(1, exact[index] - floors[index]))
        // d error / d h = scale * gradient; curvature = scale² * power.
        factors.values[index] = 1 / (scales[index % outputs] * max(power[index / outputs], 1e-6))
      }
    }

    /// The levels with h rounded to 0 or 1.
    var rounded: [Int8] {
      floors.enumerated().map { Int8($1 + (share.values[$0] >= 0.5 ? 1 : 0)) }
    }

    /// The change of weights, in real units, from the levels at the start to other levels.
    func change(to levels: [Int8]) -> Matrix {
      for index in levels.indices {
        changes.values[index] = (Float(levels[index]) - Float(start[index])) * scales[index % scales.count]
      }
      return changes
    }

    /// One step of the descent on a batch of rows.
    mutating func step(_ index: Int, _ rows: OutputError.Rows) {
      let outputs = scales.count
      for input in 0..<error.patches.columns {
        for output in 0..<outputs {
          let position = input * outputs + output
          changes.values[position] =
            (floors[position] + share.values[position] - Float(start[position])) * scales[output]
        }
      }
      error.errors(rows, change: changes, bias: bias, to: errors, passing: &passing)
      correctBias(errors, passing, rows: rows.count, share: 0.1)
      error.gradient(rows, errors: errors, to: gradient)
      let progress = Float(index) / Float(schedule.steps)
      update(pull: max(0, (progress - schedule.warmUp) / (1 - schedule.warmUp)))
    }

    /// A step of Adam on h, with `pull` as the factor of the regulariser.
    private mutating func update(pull: Float) {
      decay = (decay.first * 0.9, decay.second * 0.999)
      let (correction, root) = (1 / (1 - decay.first), 1 / (1 - decay.second))
      let (h, m, v, g, f) = (share.values, first.values, second.values, gradient.values, factors.values)
      for index in 0..<share.rows * share.columns {
        let slope = g[index] * f[index] - pull * (2 * h[index] - 1)
        m[index] = 0.9 * m[index] + 0.1 * slope
        v[index] = 0.999 * v[index] + 0.001 * slope * slope
        let step = schedule.rate * m[index] * correction / ((v[index] * root).squareRoot() + 1e-8)
        h[index] = max(0, min(1, h[index] - step))
      }
    }

    /// Adds a share of the mean error, over the rows that pass the activation function, to the bias.
    mutating func correctBias(_ errors: Matrix, _ passing: [Float], rows: Int? = nil, share: Float) {
      var sums = [Float](repeating: 0, count: bias.count)
      for row in 0..<(rows ?? errors.rows) {
        let line = errors.row(row)
        for output in bias.indices { sums[output] += line[output] }
      }
      for output in bias.indices { bias[output] += share * sums[output] / max(passing[output], 16) }
    }
  }
}
