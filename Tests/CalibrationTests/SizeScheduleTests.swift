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

  /// Copies are numbered in order for one size; with several, each size gets all of them.
  @Test(arguments: [1, 2, 3, 5], [1, 2, 3, 4])
  func everySizeGetsAllCopies(sizes: Int, repetitions: Int) {
    let schedule = SizeSchedule(sizes: sizes)
    var copies = [Set<Int>](repeating: [], count: sizes)
    for index in 0..<60 {
      let ofImage = (0..<repetitions).map { schedule.copy($0, ofImage: index, repetitions: repetitions) }
      #expect(ofImage.sorted() == Array(0..<repetitions))
      if sizes == 1 { #expect(ofImage == Array(0..<repetitions)) }
      for (repetition, copy) in ofImage.enumerated() {
        copies[schedule.size(ofPass: index * repetitions + repetition)].insert(copy)
      }
    }
    #expect(copies.allSatisfy { $0.count == repetitions })
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
