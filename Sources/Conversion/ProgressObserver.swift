import ModelImport

/// What the steps of a stage are, in the plural.
package enum ProgressUnit: String, Sendable, CustomStringConvertible {
  case images, layers, runs, tiers

  package var description: String { rawValue }
  /// The unit in the singular.
  package var singular: String { String(rawValue.dropLast()) }
}

/// Receives the progress of long operations. Its methods are called from several threads.
package protocol ProgressObserver: Sendable {
  /// A stage begins. It has `total` steps; `nil`: an unknown number. Each step is one of `unit`.
  func begin(_ stage: String, total: Int?, unit: ProgressUnit)
  /// One step of the current stage is done.
  func advance()
  /// The current stage is over.
  func end()
  /// Reports something that the user should know, but that is not an error. Details are lines of their own.
  func warn(_ message: String, details: [String])
  /// Reports something that was decided for the user; ignored by default.
  func note(_ message: String)
}

extension ProgressObserver {
  /// A stage begins whose steps, if they are counted, are images.
  package func begin(_ stage: String, total: Int?) { begin(stage, total: total, unit: .images) }
  package func warn(_ message: String) { warn(message, details: []) }
  package func note(_ message: String) {}

  /// Reports the assumptions that reading a checkpoint made, one note each.
  package func state(_ assumptions: [ImportAssumption]) {
    for assumption in assumptions { note("assuming: \(assumption)") }
  }
}

/// An observer that ignores everything.
package struct SilentProgress: ProgressObserver {
  /// Creates the observer.
  package init() {}
  package func begin(_ stage: String, total: Int?, unit: ProgressUnit) {}
  package func advance() {}
  package func end() {}
  package func warn(_ message: String, details: [String]) {}
}
