import ModelImport

/// Where the stages of long work report to. Calls come from several threads.
public protocol ProgressObserver: Sendable {
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
  public func note(_ message: String) {}

  /// Says what reading a checkpoint took for granted, a line each.
  public func state(_ assumptions: [ImportAssumption]) {
    for assumption in assumptions { note("assuming: \(assumption)") }
  }
}

/// Reports nothing.
public struct SilentProgress: ProgressObserver {
  public init() {}
  public func begin(_ stage: String, total: Int?) {}
  public func advance() {}
  public func end() {}
  public func warn(_ message: String) {}
}
