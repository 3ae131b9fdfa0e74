import Calibration
import Testing

@Suite struct SizeScheduleTests {
  @Test(arguments: [(1, 7), (2, 7), (2, 8), (3, 10), (5, 3)])
  func everySizeSeesAsManyPassesButForOne(sizes: Int, passes: Int) {
    let schedule = SizeSchedule(sizes: sizes)
    let counts = (0..<passes).reduce(into: [Int](repeating: 0, count: sizes)) { counts, pass in
      counts[schedule.size(ofPass: pass)] += 1
    }
    #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
  }

  /// What one size is numbered: every pass once, those of the first size first.
  @Test(arguments: [(1, 7), (2, 7), (2, 8), (3, 10), (3, 11), (5, 3)])
  func numbersAreInTheOrderOfSizes(sizes: Int, passes: Int) {
    let schedule = SizeSchedule(sizes: sizes)
    let numbered = (0..<passes).map { (schedule.number(ofPass: $0, of: passes), schedule.size(ofPass: $0)) }
      .sorted { $0.0 < $1.0 }
    #expect(numbered.map(\.0) == Array(0..<passes))
    #expect(numbered.map(\.1) == numbered.map(\.1).sorted())
    if sizes == 1 { #expect((0..<passes).allSatisfy { schedule.number(ofPass: $0, of: passes) == $0 }) }
  }
}
