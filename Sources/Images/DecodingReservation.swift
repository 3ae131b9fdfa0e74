import Glibc

/// Memory for decoding one image, which is returned when the reservation is released.
///
/// All reservations of the process together are at most `limit` bytes, unless there is only one, or the thread that
/// makes a reservation holds another one already: others wait. The memory of decoded images thus does not grow with the
/// number of threads.
package final class DecodingReservation: Sendable {
  /// The maximum number of bytes of several reservations together.
  package static let limit = 512 << 20

  private let byteCount: Int
  private let owner: UInt

  /// Waits until there is enough memory.
  package init(byteCount: Int) {
    self.byteCount = byteCount
    owner = UInt(pthread_self())
    Self.ledger.add(byteCount, owner: owner)
  }

  deinit { Self.ledger.remove(byteCount, owner: owner) }

  private static let ledger = Ledger()

  /// The sums of the reservations. Guarded by the lock.
  private final class Ledger: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var total = 0
    private var counts: [UInt: Int] = [:]

    init() {
      pthread_mutex_init(lock, nil)
      pthread_cond_init(changed, nil)
    }

    func add(_ byteCount: Int, owner: UInt) {
      pthread_mutex_lock(lock)
      while total > 0, total + byteCount > DecodingReservation.limit, counts[owner] == nil {
        pthread_cond_wait(changed, lock)
      }
      total += byteCount
      counts[owner, default: 0] += 1
      pthread_mutex_unlock(lock)
    }

    func remove(_ byteCount: Int, owner: UInt) {
      pthread_mutex_lock(lock)
      total -= byteCount
      if let count = counts[owner] { counts[owner] = count > 1 ? count - 1 : nil }
      pthread_cond_broadcast(changed)
      pthread_mutex_unlock(lock)
    }
  }
}
