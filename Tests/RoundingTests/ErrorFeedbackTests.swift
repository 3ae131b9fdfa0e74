import LinearAlgebra
import ReferenceOperators
import Rounding
import Testing

@Suite struct ErrorFeedbackTests {
  /// Weights, inputs that depend on each other as neighbouring pixels and ReLU outputs do, and their second moments.
  private struct Problem {
    let inputs: Int
    let outputs: Int
    let weights: [Float]
    let scales: [Float]
    let rows: [[Float]]

    init(seed: Int) {
      var random = SplitMix64(seed: UInt64(seed))
      let inputs = random.pick([1, 2, 9, 36, 63, 64, 65, 130, 200])
      let outputs = random.int(1...40)
      let weights = random.floats(inputs * outputs, -1...1)
      (self.inputs, self.outputs, self.weights) = (inputs, outputs, weights)
      var scales: [Float] = []
      for output in 0..<outputs {
        let largest = (0..<inputs).map { abs(weights[$0 * outputs + output]) }.max() ?? 1
        scales.append(max(largest, 1e-3) / 127)
      }
      self.scales = scales
      rows = (0..<2 * inputs + 20).map { _ in
        let common = Float.random(in: 0...40, using: &random)
        var previous: Float = 0
        return (0..<inputs).map { _ in
          previous = 0.7 * previous + Float.random(in: -20...20, using: &random)
          return max(0, common + previous)
        }
      }
    }

    /// Of the first rows.
    func moments(of count: Int? = nil) -> [Float] {
      let rows = rows.prefix(count ?? rows.count)
      var result = [Float](repeating: 0, count: inputs * inputs)
      for row in rows {
        for i in 0..<inputs { for j in 0...i { result[i * inputs + j] += row[i] * row[j] / Float(rows.count) } }
      }
      return result
    }

    /// The mean squared change of the outputs that errors [inputs][outputs] make.
    func change(_ errors: [Float], after first: Int = 0) -> Double {
      let rows = rows.dropFirst(first)
      var sum = 0.0
      for row in rows {
        for output in 0..<outputs {
          let value = (0..<inputs).reduce(0.0) { $0 + Double(row[$1]) * Double(errors[$1 * outputs + output]) }
          sum += value * value
        }
      }
      return sum / Double(rows.count * outputs)
    }

    var nearest: [Float] {
      weights.indices.map { index in
        let scale = scales[index % outputs]
        return weights[index] - max(-127, min(127, (weights[index] / scale).rounded(.toNearestOrEven))) * scale
      }
    }
  }

  @Test(arguments: 0..<60)
  func outputsChangeLessThanWithNearestRounding(seed: Int) throws {
    let problem = Problem(seed: seed)
    // The rows are all there is, not a sample of more.
    let factor = try #require(MomentFactor(problem.moments(), inputs: problem.inputs, samples: .max))
    let result = ErrorFeedback(weights: problem.weights, scales: problem.scales, factor: factor)
    for (index, error) in result.errors.enumerated() {
      let kept = Float(result.levels[index]) * problem.scales[index % problem.outputs]
      #expect(abs(problem.weights[index] - kept - error) <= 1e-6)
      #expect(result.levels[index] >= -127)
    }
    let (change, nearest) = (problem.change(result.errors), problem.change(problem.nearest))
    // With few inputs there is little to make up with.
    let share = problem.inputs >= 36 ? 0.4 : 1.02
    #expect(change <= share * nearest, "seed \(seed): \(problem.inputs) inputs, \(change) against \(nearest)")
  }

  /// What chance made of few samples is not believed: that pays on other inputs, if not on those of every problem.
  @Test func fewSamplesAreBelievedLess() throws {
    var (shrunk, believed) = (0.0, 0.0)
    for problem in (0..<60).map({ Problem(seed: $0) }) where problem.inputs >= 36 {
      let count = problem.inputs / 4
      func changeOfOthers(samples: Int) throws -> Double {
        let moments = problem.moments(of: count)
        let factor = try #require(MomentFactor(moments, inputs: problem.inputs, samples: samples))
        let result = ErrorFeedback(weights: problem.weights, scales: problem.scales, factor: factor)
        return problem.change(result.errors, after: count) / problem.change(problem.nearest, after: count)
      }
      shrunk += try changeOfOthers(samples: count)
      believed += try changeOfOthers(samples: .max)
    }
    #expect(shrunk < 0.8 * believed, "\(shrunk) against \(believed)")
  }

  /// Unrelated inputs leave nothing to make up for.
  @Test(arguments: [1, 3, 64, 100])
  func unrelatedInputsAreRoundedToTheNearest(inputs: Int) throws {
    var random = SplitMix64(seed: UInt64(inputs))
    let weights = random.floats(inputs * 5, -1...1)
    var moments = [Float](repeating: 0, count: inputs * inputs)
    for index in 0..<inputs { moments[index * inputs + index] = Float(1 + index % 7) }
    let scales = [Float](repeating: 1 / 127, count: 5)
    let factor = try #require(MomentFactor(moments, inputs: inputs, samples: 1024))
    let result = ErrorFeedback(weights: weights, scales: scales, factor: factor)
    #expect(result.levels == weights.map { Int8(($0 * 127).rounded(.toNearestOrEven)) })
  }

  @Test(arguments: [Float.nan, .infinity, 0])
  func momentsThatSayNothingAreRefused(value: Float) throws {
    #expect(MomentFactor([Float](repeating: value, count: 9), inputs: 3, samples: 9) == nil)
  }
}
