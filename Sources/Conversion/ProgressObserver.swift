import ModelImport

/// Where the stages of long work report to. Calls come from several threads.
package protocol ProgressObserver: Sendable {
  /// A stage begins; `total` steps will follow, or an unknown number.
  func begin(_ stage: String, total: Int?)
  /// One step of the current stage is done.
  func advance()
  /// The current stage is over.
  func end()
  /// Something a user should know, which is no error.
  func warn(_ message: String)
  /// Something that was decided for the user.
  func note(_ message: String)
}

extension ProgressObserver {
  package func note(_ message: String) {}

  /// Says what reading a checkpoint took for granted, a line each.
  package func state(_ assumptions: [ImportAssumption]) {
    for assumption in assumptions { note("assuming: \(assumption)") }
  }
}

/// Reports nothing.
package struct SilentProgress: ProgressObserver {
  package init() {}
  package func begin(_ stage: String, total: Int?) {}
  package func advance() {}
  package func end() {}
  package func warn(_ message: String) {}
}
