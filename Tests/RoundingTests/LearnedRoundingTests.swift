import LinearAlgebra
import ReferenceOperators
import Rounding
import Testing
import Threads

/// A layer whose inputs the layers before it have changed, with what the float network gives.
private struct Problem {
  let (rows, inputs, outputs): (Int, Int, Int)
  let isActivated: Bool
  let weights: [Float]
  let scales: [Float]
  /// What the quantised network reads, [rows][inputs].
  let patches: [Float]
  /// Before the activation, [rows][outputs].
  let sums: [Float]

  /// - Parameter drift: how far a fixed linear map moves the inputs.
  init(seed: Int, rows: Int = 600, drift: Float = 0.02) {
    var random = SplitMix64(seed: UInt64(seed))
    let (inputs, outputs) = (random.int(20...60), random.int(1...80))
    (self.rows, self.inputs, self.outputs, isActivated) = (rows, inputs, outputs, seed % 2 == 0)
    let weights = random.floats(inputs * outputs, -1...1)
    let moved = random.floats(inputs * inputs, -drift...drift)
    var (patches, sums) = ([Float](), [Float]())
    for _ in 0..<rows {
      let common = Float.random(in: 0...30, using: &random)
      let exact = (0..<inputs).map { _ in max(0, common + Float.random(in: -20...20, using: &random)) }
      patches += (0..<inputs).map { to in
        (exact[to] + (0..<inputs).reduce(0) { $0 + moved[to * inputs + $1] * exact[$1] }).rounded()
      }
      sums += (0..<outputs).map { output in
        (0..<inputs).reduce(Float(output % 3)) { $0 + weights[$1 * outputs + output] * (exact[$1] - 15) }
      }
    }
    (self.weights, self.patches, self.sums) = (weights, patches, sums)
    // Coarse, so that rounding is most of the error.
    scales = (0..<outputs).map { output in
      ((0..<inputs).map { abs(weights[$0 * outputs + output]) }.max() ?? 1) / 31
    }
  }

  static func matrix(_ values: some Collection<Float>, columns: Int) -> Matrix {
    let result = Matrix(rows: values.count / columns, columns: columns)
    for (place, value) in values.enumerated() { result.values[place] = value }
    return result
  }

  var nearest: [Int8] {
    weights.enumerated().map { Int8(($1 / scales[$0 % outputs]).rounded(.toNearestOrEven)) }
  }

  /// Of the first rows, in one part or in two.
  func fit(rows: Int, parts count: Int = 1, threads: Int = 1) -> LayerFit {
    let ranges = count == 1 ? [0..<inputs] : [0..<inputs / 2, inputs / 2..<inputs]
    return LayerFit(
      target: Self.matrix(sums.prefix(rows * outputs), columns: outputs),
      parts: ranges.map { range in
        let own = (0..<rows).flatMap { patches[$0 * inputs + range.lowerBound..<$0 * inputs + range.upperBound] }
        let places = range.lowerBound * outputs..<range.upperBound * outputs
        return LayerFit.Part(
          patches: Self.matrix(own, columns: range.count), weights: Array(weights[places]),
          levels: Array(nearest[places]))
      },
      scales: scales, team: ThreadTeam(count: threads))
  }

  /// The squared error after the activation in rows from `first`.
  func error(_ levels: [Int8], _ bias: [Double], from first: Int, to end: Int? = nil) -> Double {
    var result = 0.0
    for row in first..<(end ?? rows) {
      for output in 0..<outputs {
        var sum = bias[output]
        for input in 0..<inputs {
          sum +=
            Double(levels[input * outputs + output]) * Double(scales[output])
            * Double(patches[row * inputs + input])
        }
        let wanted = Double(sums[row * outputs + output])
        let error = isActivated ? max(wanted, 0) - max(sum, 0) : wanted - sum
        result += error * error
      }
    }
    return result
  }
}

@Suite struct LearnedRoundingTests {
  @Test(arguments: 0..<12)
  func gradientIsThatOfFiniteDifferences(seed: Int) throws {
    let problem = Problem(seed: seed, rows: 40)
    let (inputs, columns) = (problem.inputs, problem.outputs / 3..<problem.outputs)
    var random = SplitMix64(seed: UInt64(1000 + seed))
    let error = OutputError(
      patches: Problem.matrix(problem.patches, columns: inputs),
      residual: Problem.matrix(random.floats(40 * problem.outputs, -3...3), columns: problem.outputs),
      sums: problem.isActivated ? Problem.matrix(problem.sums, columns: problem.outputs) : nil, columns: columns)
    let rows = OutputError.Rows(first: 1, step: 3, count: 13)
    let change = Problem.matrix(random.floats(inputs * columns.count, -0.05...0.05), columns: columns.count)
    let bias = random.floats(columns.count, -1...1)
    let errors = Matrix(rows: rows.count, columns: columns.count)
    var passing = [Float](repeating: 0, count: columns.count)
    func value() -> Double {
      error.errors(rows, change: change, bias: bias, to: errors, passing: &passing).reduce(0, +) / Double(rows.count)
    }
    _ = value()
    let gradient = Matrix(rows: inputs, columns: columns.count)
    error.gradient(rows, errors: errors, to: gradient)
    let largest = (0..<inputs * columns.count).map { abs(gradient.values[$0]) }.max() ?? 0
    for place in stride(from: 0, to: inputs * columns.count, by: 7) {
      let (kept, step): (Float, Float) = (change.values[place], 1e-3)
      change.values[place] = kept + step
      let above = value()
      change.values[place] = kept - step
      let below = value()
      change.values[place] = kept
      let expected = (above - below) / Double(4 * step)
      #expect(abs(Double(gradient.values[place]) - expected) <= 0.02 * Double(largest), "seed \(seed), place \(place)")
    }
  }

  /// Making up for what the layers before have changed pays on rows that were not seen, and learning on those that were.
  @Test(arguments: 0..<20)
  func errorsBecomeLess(seed: Int) throws {
    let problem = Problem(seed: seed)
    let seen = 400
    let fit = problem.fit(rows: seen, parts: 1 + seed / 2 % 2)
    func levels() -> [Int8] { fit.parts.flatMap(\.levels) }
    let nearest = problem.error(levels(), fit.bias, from: seen)
    let own = fit.round()
    let rounded = problem.error(levels(), fit.bias, from: seen)
    #expect(rounded < 0.7 * nearest, "seed \(seed): \(rounded) against \(nearest)")

    let sums =
      problem.isActivated
      ? Problem.matrix(problem.sums.prefix(seen * problem.outputs), columns: problem.outputs) : nil
    let before = Self.power(own)
    var schedule = try #require(LearnedRounding.Schedule(weights: problem.weights.count, rows: seen))
    schedule.steps = 300
    fit.learn(own, sums: sums, schedule)
    #expect(levels().allSatisfy { $0 >= -127 })
    let learned = problem.error(levels(), fit.bias, from: seen)
    #expect(learned < 1.1 * rounded, "seed \(seed): \(learned) against \(rounded)")
    if sums == nil { #expect(Self.power(own) <= before) }
  }

  /// Error feedback leaves little to learn: over all problems 1.9 % of the error.
  @Test func learningPays() throws {
    var (rounded, learned) = (0.0, 0.0)
    for problem in (0..<12).map({ Problem(seed: $0, drift: 0) }) {
      let fit = problem.fit(rows: problem.rows)
      let own = fit.round()
      rounded += problem.error(fit.parts[0].levels, fit.bias, from: 0)
      var schedule = try #require(LearnedRounding.Schedule(weights: problem.weights.count, rows: problem.rows))
      schedule.steps = 400
      let sums = problem.isActivated ? Problem.matrix(problem.sums, columns: problem.outputs) : nil
      fit.learn(own, sums: sums, schedule)
      learned += problem.error(fit.parts[0].levels, fit.bias, from: 0)
    }
    #expect(learned < 0.99 * rounded, "\(learned) against \(rounded)")
  }

  @Test(arguments: [1, 4])
  func threadsChangeNothing(seed: Int) throws {
    let problem = Problem(seed: seed)
    let results = try [1, 2, 3].map { threads in
      let fit = problem.fit(rows: problem.rows, parts: 2, threads: threads)
      let own = fit.round()
      fit.learn(
        own, sums: nil, try #require(LearnedRounding.Schedule(weights: problem.weights.count, rows: problem.rows)))
      return (fit.parts.map(\.levels), fit.bias)
    }
    #expect(results.allSatisfy { $0.0 == results[0].0 && $0.1 == results[0].1 })
  }

  /// The mean error of the sums is zero whatever the weights are.
  @Test(arguments: [1, 3, 5])
  func biasTakesTheMeanError(seed: Int) {
    let problem = Problem(seed: seed)
    let fit = problem.fit(rows: problem.rows)
    let (levels, bias) = (fit.parts[0].levels, fit.bias)
    for output in 0..<problem.outputs {
      var (missing, size) = (0.0, 0.0)
      for row in 0..<problem.rows {
        var sum = bias[output]
        for input in 0..<problem.inputs {
          sum +=
            Double(levels[input * problem.outputs + output]) * Double(problem.scales[output])
            * Double(problem.patches[row * problem.inputs + input])
        }
        let wanted = Double(problem.sums[row * problem.outputs + output])
        missing += wanted - sum
        size += abs(wanted)
      }
      #expect(abs(missing) <= 1e-5 * size, "output \(output)")
    }
  }

  @Test func largeLayersAreLeftAlone() {
    #expect(LearnedRounding.Schedule(weights: 1 << 22, rows: 4096) == nil)
    #expect(LearnedRounding.Schedule(weights: 4096, rows: 1)?.batch == 1)
  }

  private static func power(_ own: Matrix) -> Double {
    (0..<own.rows * own.columns).reduce(0) { $0 + Double(own.values[$1] * own.values[$1]) }
  }
}
