/// An object for each worker of a thread team, created when the worker first accesses it.
///
/// While a loop runs, each object is used only by its worker; after the loop, all of them are used by one thread.
package final class WorkerLocal<Object: AnyObject>: @unchecked Sendable {
  private let lock = Mutex(())
  private var objects: [Int: Object] = [:]
  private let make: () -> Object

  /// - Parameter make: creates the object of a worker; called by one thread at a time.
  package init(_ make: @escaping () -> Object) { self.make = make }

  /// The object of a worker, which is created if there is none yet.
  package subscript(worker: Int) -> Object {
    lock.withLock { _ in
      if let existing = objects[worker] { return existing }
      let object = make()
      objects[worker] = object
      return object
    }
  }

  /// The objects created so far, in no particular order. No loop may be running.
  package var all: [Object] { Array(objects.values) }
}
