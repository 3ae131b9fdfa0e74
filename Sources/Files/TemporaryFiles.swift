import Glibc
import Synchronization

/// The temporaries that a signal must take along. A signal handler may neither allocate nor lock, so this is a fixed table
/// of C strings that are never freed: some bytes for each output of a run.
package enum TemporaryFiles {
  static let capacity = 32

  /// Only its atomics are ever touched.
  nonisolated(unsafe) private static let slots: UnsafeMutablePointer<Atomic<UInt>> = {
    let slots = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: capacity)
    for i in 0..<capacity { (slots + i).initialize(to: Atomic(0)) }
    return slots
  }()

  /// Returns the slot taken, or `nil` when all are: such a file is merely not cleaned up by a signal.
  static func register(_ path: String) -> Int? {
    guard let copy = strdup(path) else { return nil }
    for i in 0..<capacity
    where slots[i].compareExchange(expected: 0, desired: UInt(bitPattern: copy), ordering: .releasing).exchanged {
      return i
    }
    free(copy)
    return nil
  }

  static func forget(_ slot: Int?) {
    if let slot { slots[slot].store(0, ordering: .releasing) }
  }

  /// For a forked child, whose parent still writes the others. Async-signal-safe once the table exists.
  package static func forgetAll(but path: UnsafePointer<CChar>) {
    for i in 0..<capacity {
      let other = UnsafePointer<CChar>(bitPattern: slots[i].load(ordering: .acquiring))
      if let other, strcmp(other, path) != 0 { forget(i) }
    }
  }

  /// Async-signal-safe once the table exists.
  static func removeAll() {
    for i in 0..<capacity {
      if let path = UnsafePointer<CChar>(bitPattern: slots[i].load(ordering: .acquiring)) { unlink(path) }
    }
  }

  static func removeOnSignals() {
    _ = slots  // made now: not in the handler
    for number in [SIGINT, SIGTERM] {
      var previous = sigaction()
      // What was started in the background with SIGINT ignored keeps ignoring it.
      if sigaction(number, nil, &previous) == 0, isIgnored(previous) { continue }
      signal(number) { number in
        TemporaryFiles.removeAll()
        _exit(128 + number)
      }
    }
  }

  private static func isIgnored(_ action: sigaction) -> Bool {
    unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
