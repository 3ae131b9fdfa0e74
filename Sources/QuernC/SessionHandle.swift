import CQuern
import Inference
import Synchronization

/// What `quern_session *` points to.
final class SessionHandle: Sendable {
  private nonisolated(unsafe) let session: EmbeddingSession
  private let isBusy = Atomic<Bool>(false)

  init(_ session: EmbeddingSession) { self.session = session }

  /// Calls `body` with the session, which no other thread can use meanwhile.
  ///
  /// - Throws: a failure where another thread uses the session; what `body` throws.
  func use(_ body: (EmbeddingSession) throws(Failure) -> Void) throws(Failure) {
    guard !isBusy.exchange(true, ordering: .acquiring) else {
      throw Failure(QUERN_ERROR_BUSY, "the session is in use by another thread; give each thread a session of its own")
    }
    defer { isBusy.store(false, ordering: .releasing) }
    try body(session)
  }

  /// The session that a pointer of the interface stands for.
  ///
  /// - Throws: a failure for NULL.
  static func required(_ pointer: OpaquePointer?) throws(Failure) -> SessionHandle {
    guard let pointer else { throw .invalid("session is NULL") }
    return Unmanaged<SessionHandle>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
  }
}

extension EmbeddingSession.Options {
  /// - Throws: a failure for options that are out of range.
  init(_ options: quern_session_options) throws(Failure) {
    guard options.reserved == 0 else {
      throw Failure(QUERN_ERROR_UNSUPPORTED, "quern_session_options.reserved is not 0")
    }
    guard options.input <= QUERN_INPUT_READY.rawValue else { throw .invalid("there is no input kind \(options.input)") }
    let exponent = options.pooling_exponent
    guard exponent >= 0 else { throw .invalid("pooling_exponent is \(exponent), and must be positive, or 0") }
    guard options.size <= 8192 else { throw .invalid("size is \(options.size); the largest size is 8192") }
    self.init(
      threads: try threadCount(options.threads), resizes: options.input == QUERN_INPUT_IMAGE.rawValue,
      side: options.size == 0 ? nil : Int(options.size), poolingExponent: exponent == 0 ? nil : exponent)
  }
}
