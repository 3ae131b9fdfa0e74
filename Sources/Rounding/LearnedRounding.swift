/// Learns for each weight whether it is rounded up or down, by gradient descent on the squared error of a layer's outputs
/// after its activation: AdaRound of Nagel et al. (arXiv 2004.10568, section 3.2).
///
/// A weight is floor(w) + h levels, h in 0...1. As in equation 21, a regulariser drives h to 0 or 1; it is
/// 1 - (2h - 1)^2, equation 24 with the exponent 2, and instead of the exponent its factor changes, from 0 to the curvature of
/// the error by that weight, where no point between has an error less than both ends. h itself is what is learned and is
/// clipped, in place of a rectified sigmoid's argument (equation 23), which saves the exponentials.
package struct LearnedRounding {
  /// How long to descend, and how fast.
  package struct Schedule {
    package var steps: Int
    /// Of Adam (Kingma and Ba, arXiv 1412.6980), in levels.
    var rate: Float = 0.02
    /// Rows of a step.
    package private(set) var batch = 256
    /// Share of the steps without the regulariser.
    var warmUp: Float = 0.2

    /// Products that a part of a layer is allowed, and the most steps, which small layers take.
    private static let (productLimit, stepLimit) = (4_000_000_000, 2000)
    /// Fewer than these do harm.
    private static let leastSteps = 100

    /// - Parameters:
    ///   - weights: that are learned at a time.
    ///   - rows: of the sample.
    /// - Returns: `nil` for a layer that is too large.
    package init?(weights: Int, rows: Int) {
      batch = min(batch, max(rows, 1))
      steps = min(Self.stepLimit, Self.productLimit / max(2 * weights * batch, 1))
      if steps < Self.leastSteps { return nil }
    }
  }

  /// [inputs][outputs].
  private(set) var levels: [Int8]
  /// What is added to the bias.
  private(set) var bias: [Float]

  /// - Parameters:
  ///   - error: of the outputs with `levels`.
  ///   - scales: real values of a level, of each output.
  ///   - levels: to start from, [inputs][outputs].
  ///   - exact: real numbers that `levels` were rounded from; a weight gets one of the two levels beside it.
  ///   - bias: to start from.
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
      // A prime, so that batches take turns.
      descent.step(step, .init(first: step * 7919 % batches, step: batches, count: min(schedule.batch, all.count)))
    }
    let learned = descent.rounded
    let change = descent.change(to: learned)
    // So that the mean error is zero, too, as far as Newton's steps bring it there.
    for _ in 0..<4 {
      error.errors(all, change: change, bias: descent.bias, to: errors, passing: &passing)
      descent.correctBias(errors, passing, share: 1)
    }
    let after = error.errors(all, change: change, bias: descent.bias, to: errors, passing: &passing)
    for output in 0..<outputs where after[output] < before[output] {
      for place in stride(from: output, to: levels.count, by: outputs) { self.levels[place] = learned[place] }
      self.bias[output] = descent.bias[output]
    }
  }

  /// The variables and their moments.
  private struct Descent {
    let error: OutputError
    let scales: [Float]
    let schedule: Schedule
    let start: [Int8]
    /// The lower of the two levels.
    let floors: [Float]
    var bias: [Float]
    /// h, and the moments of its gradient.
    let (share, first, second): (Matrix, Matrix, Matrix)
    /// By which a gradient by real weights becomes one in h, in units of the curvature.
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
      for place in levels.indices {
        share.values[place] = max(0, min(1, exact[place] - floors[place]))
        // d error / d h = scale * gradient; curvature = scale² * power.
        factors.values[place] = 1 / (scales[place % outputs] * max(power[place / outputs], 1e-6))
      }
    }

    /// h rounded.
    var rounded: [Int8] {
      floors.enumerated().map { Int8($1 + (share.values[$0] >= 0.5 ? 1 : 0)) }
    }

    /// The change of weights, in real values, to other levels.
    func change(to levels: [Int8]) -> Matrix {
      for place in levels.indices {
        changes.values[place] = (Float(levels[place]) - Float(start[place])) * scales[place % scales.count]
      }
      return changes
    }

    mutating func step(_ index: Int, _ rows: OutputError.Rows) {
      let outputs = scales.count
      for input in 0..<error.patches.columns {
        for output in 0..<outputs {
          let place = input * outputs + output
          changes.values[place] =
            (floors[place] + share.values[place] - Float(start[place])) * scales[output]
        }
      }
      error.errors(rows, change: changes, bias: bias, to: errors, passing: &passing)
      correctBias(errors, passing, rows: rows.count, share: 0.1)
      error.gradient(rows, errors: errors, to: gradient)
      let progress = Float(index) / Float(schedule.steps)
      update(pull: max(0, (progress - schedule.warmUp) / (1 - schedule.warmUp)))
    }

    /// A step of Adam on h.
    private mutating func update(pull: Float) {
      decay = (decay.first * 0.9, decay.second * 0.999)
      let (correction, root) = (1 / (1 - decay.first), 1 / (1 - decay.second))
      let (h, m, v, g, f) = (share.values, first.values, second.values, gradient.values, factors.values)
      for place in 0..<share.rows * share.columns {
        let slope = g[place] * f[place] - pull * (2 * h[place] - 1)
        m[place] = 0.9 * m[place] + 0.1 * slope
        v[place] = 0.999 * v[place] + 0.001 * slope * slope
        let step = schedule.rate * m[place] * correction / ((v[place] * root).squareRoot() + 1e-8)
        h[place] = max(0, min(1, h[place] - step))
      }
    }

    /// Takes a share of the mean error of what passes the activation off.
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
