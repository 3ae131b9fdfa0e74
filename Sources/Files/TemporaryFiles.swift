import Glibc
import Synchronization

/// The temporary files to remove when a signal ends the process. A signal handler may neither allocate nor lock, so
/// this is a table of fixed size with C strings that are never freed, which costs some bytes for each output of a run.
package enum TemporaryFiles {
  static let capacity = 32

  /// Addresses of C strings; 0 is a free slot. Only the atomics are accessed after initialisation.
  nonisolated(unsafe) private static let slots: UnsafeMutablePointer<Atomic<UInt>> = {
    let slots = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: capacity)
    for i in 0..<capacity { (slots + i).initialize(to: Atomic(0)) }
    return slots
  }()

  /// Returns the slot that the path now occupies, or `nil` if all are occupied, in which case a signal does not remove
  /// the file.
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

  /// Frees all slots except that of `path`. This is for a forked child, which must not remove the files that its parent
  /// still writes. Async-signal-safe once the table exists.
  package static func forgetAll(but path: UnsafePointer<CChar>) {
    for i in 0..<capacity {
      let other = UnsafePointer<CChar>(bitPattern: slots[i].load(ordering: .acquiring))
      if let other, strcmp(other, path) != 0 { forget(i) }
    }
  }

  /// Deletes all files in the table. Async-signal-safe once the table exists.
  package static func removeAll() {
    for i in 0..<capacity {
      if let path = UnsafePointer<CChar>(bitPattern: slots[i].load(ordering: .acquiring)) { unlink(path) }
    }
  }

  /// Creates the table, after which `removeAll` is async-signal-safe.
  package static func prepare() { _ = slots }

  /// The signals that other processes and limits end a command by.
  private static let endingSignals = [
    SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU,
  ]

  static func removeOnSignals() {
    _ = slots  // created here, because the handler may not allocate
    for number in endingSignals {
      var previous = sigaction()
      // A process that was started in the background with SIGINT ignored keeps ignoring it.
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
