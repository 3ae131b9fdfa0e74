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
}

/// Reports nothing.
public struct SilentProgress: ProgressObserver {
  public init() {}
  public func begin(_ stage: String, total: Int?) {}
  public func advance() {}
  public func end() {}
  public func warn(_ message: String) {}
}
