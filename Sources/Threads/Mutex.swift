#if QUERN_THREAD_SANITIZER
  import Glibc

  /// The interface of `Synchronization.Mutex` with a lock of the C library behind it. ThreadSanitizer does not see the
  /// lock of Swift, and reports all that it guards.
  package struct Mutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    nonisolated(unsafe) private let value: UnsafeMutablePointer<Value>
    nonisolated(unsafe) private let lock: UnsafeMutablePointer<pthread_mutex_t>

    package init(_ initialValue: consuming sending Value) {
      value = .allocate(capacity: 1)
      value.initialize(to: initialValue)
      lock = .allocate(capacity: 1)
      let status = pthread_mutex_init(lock, nil)
      precondition(status == 0, "a lock cannot be made: error \(status)")
    }

    deinit {
      pthread_mutex_destroy(lock)
      lock.deallocate()
      value.deinitialize(count: 1)
      value.deallocate()
    }

    /// Calls `body` with the value, which no other thread reads or writes meanwhile.
    package borrowing func withLock<Result: ~Copyable, E: Error>(
      _ body: (inout sending Value) throws(E) -> sending Result
    ) throws(E) -> sending Result {
      pthread_mutex_lock(lock)
      defer { pthread_mutex_unlock(lock) }
      return try body(&value.pointee)
    }
  }
#else
  import Synchronization

  /// A value that one thread at a time reads or writes.
  package typealias Mutex<Value: ~Copyable> = Synchronization.Mutex<Value>
#endif
