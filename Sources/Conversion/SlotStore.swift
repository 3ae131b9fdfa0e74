import Threads

/// The results of several threads, by number, so that their order does not depend on timing.
final class SlotStore<Element: Sendable>: Sendable {
  private let slots = Mutex<[Int: Element]>([:])

  subscript(index: Int) -> Element? {
    get { slots.withLock { $0[index] } }
    set { slots.withLock { $0[index] = newValue } }
  }

  func removeAll() { slots.withLock { $0 = [:] } }

  /// The numbers that have a result, in ascending order.
  var numbers: [Int] { slots.withLock { $0.keys.sorted() } }

  /// All results, in ascending order of their numbers.
  var inOrder: [Element] { slots.withLock { $0 }.sorted { $0.key < $1.key }.map(\.value) }
}
