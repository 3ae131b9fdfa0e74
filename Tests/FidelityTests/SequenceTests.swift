import Fidelity
import FidelitySamples
import Foundation
import Testing

/// Confidence sequences are held to what they promise by simulation, and to their formulas as the paper has them.
@Suite struct SequenceTests {
  private static let alpha = 0.05

  /// Misses of so many runs are more than chance would explain where each misses with the probability 0.05: by three standard
  /// deviations.
  private static func allowedMisses(of runs: Int) -> Int {
    Int((alpha * Double(runs) + 3 * (alpha * (1 - alpha) * Double(runs)).squareRoot()).rounded(.up))
  }

  @Test(arguments: [0.05, 0.5, 0.9, 0.95, 0.99] as [Double])
  func sharesAreCoveredAtAllTimes(share: Double) throws {
    var generator = SeededGenerator(state: 1)
    print("seed 1")
    let runs = 400
    var misses = 0
    for _ in 0..<runs {
      var sequence = ShareSequence(limit: 0.95, alpha: Self.alpha)
      for end in SequentialComparison.checkpoints(of: 800) {
        while sequence.count < end { sequence.add(Double.random(in: 0..<1, using: &generator) < share) }
        sequence.narrow()
      }
      if sequence.interval.map({ $0.low > share || $0.high < share }) ?? true { misses += 1 }
    }
    #expect(misses <= Self.allowedMisses(of: runs), "\(misses) of \(runs)")
  }

  struct Distribution: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let mean: Double
    /// Of a number from 0 to 1.
    let value: @Sendable (Double) -> Double
  }

  static let distributions = [
    Distribution(testDescription: "uniform", mean: 0.5) { $0 },
    Distribution(testDescription: "all or nothing", mean: 0.2) { $0 < 0.2 ? 1 : 0 },
    Distribution(testDescription: "small, with rare large ones", mean: 0.01 * 0.99 + 0.01) { $0 < 0.01 ? 1 : 0.01 },
    Distribution(testDescription: "a power", mean: 0.1) { pow($0, 9) },
    Distribution(testDescription: "constant", mean: 0.3) { _ in 0.3 },
  ]

  @Test(arguments: distributions)
  func meansAreCoveredAtAllTimes(_ distribution: Distribution) throws {
    var generator = SeededGenerator(state: 2)
    print("seed 2")
    let runs = 400
    var misses = 0
    for _ in 0..<runs {
      var sequence = MeanSequence(alpha: Self.alpha)
      for end in SequentialComparison.checkpoints(of: 400) {
        while sequence.count < end { sequence.add(distribution.value(.random(in: 0..<1, using: &generator))) }
        sequence.narrow()
      }
      if sequence.interval.map({ $0.low > distribution.mean || $0.high < distribution.mean }) ?? true { misses += 1 }
    }
    #expect(misses <= Self.allowedMisses(of: runs), "\(misses) of \(runs)")
  }

  /// What verification does: images of a finite set in random order, none twice.
  @Test func figuresOfAFiniteSetAreCoveredMoreOftenStill() throws {
    var generator = SeededGenerator(state: 3)
    print("seed 3")
    let (runs, count) = (400, 300)
    let hits = (0..<count).map { $0 >= 15 }
    let values = (0..<count).map { pow(Double($0) / Double(count), 4) }
    let mean = values.reduce(0, +) / Double(count)
    var (missedShares, missedMeans) = (0, 0)
    for _ in 0..<runs {
      let order = (0..<count).shuffled(using: &generator)
      var share = ShareSequence(limit: 0.95, alpha: Self.alpha)
      var sequence = MeanSequence(alpha: Self.alpha)
      for end in SequentialComparison.checkpoints(of: count).dropLast() {
        for index in order[share.count..<end] {
          share.add(hits[index])
          sequence.add(values[index])
        }
        share.narrow()
        sequence.narrow()
      }
      if share.interval.map({ $0.low > 0.95 || $0.high < 0.95 }) ?? true { missedShares += 1 }
      if sequence.interval.map({ $0.low > mean || $0.high < mean }) ?? true { missedMeans += 1 }
    }
    #expect(max(missedShares, missedMeans) <= Int(Self.alpha * Double(runs)), "\(missedShares), \(missedMeans)")
  }

  /// Capital as a product of wins and losses, and the interval as all of a grid that it leaves.
  @Test(arguments: [(0.95, 1.0), (0.95, 0.93), (0.5, 0.3), (0.99, 0.97)])
  func sharesAreThoseOfBetting(limit: Double, share: Double) throws {
    var generator = SeededGenerator(state: 4)
    print("seed 4")
    let hits = (0..<150).map { _ in Double.random(in: 0..<1, using: &generator) < share }
    var sequence = ShareSequence(limit: limit, alpha: 0.02)
    for hit in hits { sequence.add(hit) }
    sequence.narrow()
    let interval = try #require(sequence.interval)
    let (a, b) = (0.5 * limit / (1 - limit), 0.5)
    for step in 1..<1000 {
      let m = Double(step) / 1000
      var (capital, seen) = (1.0, 0.0)
      for (index, hit) in hits.enumerated() {
        let predicted = (a + seen) / (a + b + Double(index))
        capital *= 1 + (predicted - m) / (m * (1 - m)) * ((hit ? 1 : 0) - m)
        if hit { seen += 1 }
      }
      // Not where rounding decides.
      guard abs(capital * 0.02 - 1) > 1e-6 else { continue }
      #expect((m > interval.low && m < interval.high) == (capital < 1 / 0.02), "\(m)")
    }
  }

  @Test(arguments: distributions)
  func meansAreThoseOfHedgedCapital(_ distribution: Distribution) throws {
    var generator = SeededGenerator(state: 5)
    print("seed 5")
    let (alpha, c) = (0.03, 0.75)
    let values = (0..<90).map { _ in distribution.value(.random(in: 0..<1, using: &generator)) }
    var sequence = MeanSequence(alpha: alpha)
    for value in values { sequence.add(value) }
    sequence.narrow()
    let interval = try #require(sequence.interval)
    /// The mean and the variance after so many values, as the paper defines them.
    func mean(_ count: Int) -> Double { (0.5 + values.prefix(count).reduce(0, +)) / Double(count + 1) }
    func variance(_ count: Int) -> Double {
      let squares = (0..<count).reduce(0) { $0 + pow(values[$1] - mean($1 + 1), 2) }
      return (0.25 + squares) / Double(count + 1)
    }
    let plugIns = (1...values.count).map { index in
      sqrt(2 * log(2 / alpha) / (variance(index - 1) * Double(index) * log(Double(index + 1))))
    }
    for step in 1..<400 {
      let m = Double(step) / 400
      var (plus, minus) = (1.0, 1.0)
      for (value, plugIn) in zip(values, plugIns) {
        plus *= 1 + min(plugIn, c / m) * (value - m)
        minus *= 1 - min(plugIn, c / (1 - m)) * (value - m)
      }
      let capital = max(plus / 2, minus / 2)
      guard abs(capital * alpha - 1) > 1e-6 else { continue }
      #expect((m > interval.low && m < interval.high) == (capital < 1 / alpha), "\(m)")
    }
  }

  @Test func intervalsNeverGrow() throws {
    var generator = SeededGenerator(state: 6)
    print("seed 6")
    var share = ShareSequence(limit: 0.9, alpha: 0.05)
    var mean = MeanSequence(alpha: 0.05)
    var last: [ConfidenceInterval] = []
    for _ in 0..<60 {
      for _ in 0..<10 {
        share.add(Double.random(in: 0..<1, using: &generator) < 0.9)
        mean.add(.random(in: 0...0.5, using: &generator))
      }
      share.narrow()
      mean.narrow()
      let now = [try #require(share.interval), try #require(mean.interval)]
      for (now, before) in zip(now, last) { #expect(now.low >= before.low && now.high <= before.high) }
      last = now
    }
    #expect(last[0].low > 0.8 && last[1].low > 0.2 && last[1].high < 0.3)
  }

  @Test func sharesDoNotDependOnTheOrder() {
    let hits = (0..<200).map { $0 % 20 != 0 }
    func interval(_ hits: [Bool]) -> ConfidenceInterval? {
      var sequence = ShareSequence(limit: 0.95, alpha: 0.05)
      for hit in hits { sequence.add(hit) }
      sequence.narrow()
      return sequence.interval
    }
    #expect(interval(hits) == interval(hits.sorted { $0 && !$1 }))
  }
}
