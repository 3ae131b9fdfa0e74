/// Measures the wall-clock seconds of named stages, and reports their progress.
final class StageClock {
  private(set) var seconds: [String: Double] = [:]
  private let clock = ContinuousClock()
  private let progress: any ProgressObserver

  init(progress: any ProgressObserver) { self.progress = progress }

  /// Runs a stage. The times of a stage that runs several times add up.
  func stage<Result>(
    _ name: String, total: Int? = nil, unit: ProgressUnit = .images, _ body: () throws -> Result
  ) rethrows -> Result {
    progress.begin(name, total: total, unit: unit)
    let start = clock.now
    defer {
      seconds[name, default: 0] += (clock.now - start).seconds
      progress.end()
    }
    return try body()
  }
}

extension Duration {
  /// The duration in seconds.
  package var seconds: Double {
    let (whole, attoseconds) = components
    return Double(whole) + Double(attoseconds) * 1e-18
  }
}
