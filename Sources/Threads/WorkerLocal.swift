import Synchronization

/// An object for each worker of a thread team, made when the worker first asks for it.
///
/// While a loop runs, a worker's object is used by that worker alone; after it, by one thread.
package final class WorkerLocal<Object: AnyObject>: @unchecked Sendable {
  private let lock = Mutex(())
  private var objects: [Int: Object] = [:]
  private let make: () -> Object

  /// - Parameter make: called by one thread at a time.
  package init(_ make: @escaping () -> Object) { self.make = make }

  /// The object of a worker.
  package subscript(worker: Int) -> Object {
    lock.withLock { _ in
      if let known = objects[worker] { return known }
      let object = make()
      objects[worker] = object
      return object
    }
  }

  /// The objects made so far. No loop may be under way.
  package var all: [Object] { Array(objects.values) }
}
