import CThreads
import Glibc
import Synchronization

/// A fixed set of threads that share the iterations of loops: the caller and `count - 1` workers, which spin briefly
/// between loops and sleep when there is nothing to do.
///
/// A team serves one caller at a time. Which thread runs which index is not determined, so the body of a loop may write
/// only what belongs to its index. Results then do not depend on the number of threads.
package final class ThreadTeam: @unchecked Sendable {
  /// The number of threads that take part in a loop, including the caller; at least 1.
  package let count: Int

  private let generation = Atomic<Int>(0)
  private let nextIndex = Atomic<Int>(0)
  private let busyWorkers = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private var loopCount = 0
  /// The loop that runs, on the stack of the caller.
  private var loop: (state: UnsafeRawPointer, kind: any ThreadLoop.Type)?
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  private var threads: [pthread_t] = []

  /// About 50 microseconds, which is longer than the gap between two operators and shorter than a time slice of the
  /// scheduler.
  private static let spinLimit = 2_000

  /// Starts the workers. If the system refuses some of them, the remaining threads do all the work.
  ///
  /// - Parameter count: the number of threads including the caller; less than 1 counts as 1.
  package init(count: Int) {
    self.count = max(count, 1)
    lock = .allocate(capacity: 1)
    wake = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    pthread_cond_init(wake, nil)
    for worker in 1..<max(count, 1) {
      let start = Unmanaged.passRetained(WorkerStart(team: Unmanaged.passUnretained(self), worker: worker))
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
          start.team._withUnsafeGuaranteedRef { $0.work(as: start.worker) }
          return nil
        }, start.toOpaque())
      if status == 0 { threads.append(thread) } else { start.release() }
    }
  }

  deinit {
    stopping.store(true, ordering: .releasing)
    pthread_mutex_lock(lock)
    generation.add(1, ordering: .releasing)
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(lock)
    for thread in threads { pthread_join(thread, nil) }
    pthread_mutex_destroy(lock)
    pthread_cond_destroy(wake)
    lock.deallocate()
    wake.deallocate()
  }

  /// Calls `body(index, worker)` for every index below `iterations`, and returns when all calls have returned. `worker`
  /// is below `count`, and no two calls with the same worker run at the same time.
  package func forEach(_ iterations: Int, _ body: (_ index: Int, _ worker: Int) -> Void) {
    guard iterations > 1, !threads.isEmpty else {
      for index in 0..<iterations { body(index, 0) }
      return
    }
    // The compiled check that the body has not escaped has the path of this file, which would differ by folder.
    #sourceLocation(file:"loop.swift",line:1)
    withoutActuallyEscaping(body) { body in forEach(iterations, with: body) { $0($1, $2) } }
    #sourceLocation()
  }

  /// The same for a function that gets all values from `state`. Where it captures nothing, the loop allocates no
  /// memory, while a closure that is passed to other threads is allocated each time.
  package func forEach<State>(
    _ iterations: Int, with state: State, _ body: @escaping (_ state: State, _ index: Int, _ worker: Int) -> Void
  ) {
    guard iterations > 1, !threads.isEmpty else {
      for index in 0..<iterations { body(state, index, 0) }
      return
    }
    withUnsafePointer(to: StatefulLoop(state: state, body: body)) { loop in
      self.loop = (UnsafeRawPointer(loop), StatefulLoop<State>.self)
      loopCount = iterations
      nextIndex.store(0, ordering: .relaxed)
      busyWorkers.store(threads.count, ordering: .relaxed)
      generation.add(1, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
        pthread_mutex_lock(lock)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(lock)
      }
      runShare(as: 0)
      var spins = 0
      while busyWorkers.load(ordering: .acquiring) > 0 {
        quern_pause()
        spins += 1
        if spins > Self.spinLimit { sched_yield() }
      }
      self.loop = nil
    }
  }

  /// The results of `body` for every index below `count`, in order.
  package func map<Value>(_ count: Int, _ body: (_ index: Int) -> Value) -> [Value] {
    [Value](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard let slots = buffer.baseAddress else { return }
      forEach(count) { index, _ in (slots + index).initialize(to: body(index)) }
      initialized = count
    }
  }

  private func runShare(as worker: Int) {
    guard let (state, kind) = loop else { return }
    let total = loopCount
    while true {
      let index = nextIndex.add(1, ordering: .relaxed).oldValue
      if index >= total { return }
      kind.run(state, index, worker)
    }
  }

  private func work(as worker: Int) {
    var seen = 0
    while true {
      seen = waitForGeneration(after: seen)
      if stopping.load(ordering: .acquiring) { return }
      runShare(as: worker)
      busyWorkers.subtract(1, ordering: .releasing)
    }
  }

  /// Spins, then sleeps, until there is a loop newer than `seen`.
  private func waitForGeneration(after seen: Int) -> Int {
    for _ in 0..<Self.spinLimit {
      let current = generation.load(ordering: .acquiring)
      if current != seen { return current }
      quern_pause()
    }
    sleepers.add(1, ordering: .sequentiallyConsistent)
    pthread_mutex_lock(lock)
    while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(wake, lock) }
    pthread_mutex_unlock(lock)
    sleepers.subtract(1, ordering: .relaxed)
    return generation.load(ordering: .acquiring)
  }

  private final class WorkerStart: @unchecked Sendable {
    let team: Unmanaged<ThreadTeam>
    let worker: Int
    init(team: Unmanaged<ThreadTeam>, worker: Int) {
      self.team = team
      self.worker = worker
    }
  }

  /// The number of processors that this process may run on.
  package static var availableProcessors: Int { Int(quern_available_processors()) }
}

/// A loop that is known by its address.
private protocol ThreadLoop {
  /// - Parameter loop: points to a value of this type.
  static func run(_ loop: UnsafeRawPointer, _ index: Int, _ worker: Int)
}

private struct StatefulLoop<State>: ThreadLoop {
  let state: State
  let body: (State, Int, Int) -> Void

  static func run(_ loop: UnsafeRawPointer, _ index: Int, _ worker: Int) {
    let loop = loop.assumingMemoryBound(to: Self.self)
    loop.pointee.body(loop.pointee.state, index, worker)
  }
}
