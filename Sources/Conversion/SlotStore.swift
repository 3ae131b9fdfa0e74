import Synchronization

/// What several threads found, by number, so that its order does not depend on theirs.
final class SlotStore<Element: Sendable>: Sendable {
  private let slots = Mutex<[Int: Element]>([:])

  subscript(index: Int) -> Element? {
    get { slots.withLock { $0[index] } }
    set { slots.withLock { $0[index] = newValue } }
  }

  func removeAll() { slots.withLock { $0 = [:] } }

  /// The numbers that something was put in under, rising.
  var numbers: [Int] { slots.withLock { $0.keys.sorted() } }

  /// Everything that was put in, by rising number.
  var inOrder: [Element] { slots.withLock { $0 }.sorted { $0.key < $1.key }.map(\.value) }
}
