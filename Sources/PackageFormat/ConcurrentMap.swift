import Glibc
import Threads

/// The results of `body` for 0 ..< `count`, in order, computed by up to `threads` threads. Of several errors, the one
/// with the lowest index is thrown, so that errors do not depend on the number of threads either.
func concurrentMap<Value: Sendable>(
  count: Int, threads: Int, _ body: @escaping @Sendable (Int) throws(PackageError) -> Value
) throws(PackageError) -> [Value] {
  let work = SharedWork(count: count, body: body)
  var running: [pthread_t] = []
  for _ in 1..<max(min(threads, count), 1) {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(ThreadBody(run: { work.run() }))
    let failed = pthread_create(
      &thread, nil,
      { pointer in
        guard let pointer else { return nil }
        Unmanaged<ThreadBody>.fromOpaque(pointer).takeRetainedValue().run()
        return nil
      }, box.toOpaque())
    guard failed == 0 else {
      box.release()
      break  // The threads that run already do all the work.
    }
    running.append(thread)
  }
  work.run()
  for thread in running { pthread_join(thread, nil) }
  return try work.finish()
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(run: @escaping @Sendable () -> Void) { self.run = run }
}

private final class SharedWork<Value: Sendable>: Sendable {
  private struct State {
    var next = 0
    var hasFailed = false
    var results: [Result<Value, PackageError>?]
  }

  private let state: Mutex<State>
  private let body: @Sendable (Int) throws(PackageError) -> Value

  init(count: Int, body: @escaping @Sendable (Int) throws(PackageError) -> Value) {
    state = Mutex(State(results: Array(repeating: nil, count: count)))
    self.body = body
  }

  /// Takes indices in ascending order until none is left, or one has failed.
  func run() {
    while let index = state.withLock({ state in takeNext(&state) }) {
      let result = Result { () throws(PackageError) in try body(index) }
      state.withLock { state in
        state.results[index] = result
        if case .failure = result { state.hasFailed = true }
      }
    }
  }

  private func takeNext(_ state: inout State) -> Int? {
    guard !state.hasFailed, state.next < state.results.count else { return nil }
    state.next += 1
    return state.next - 1
  }

  func finish() throws(PackageError) -> [Value] {
    let results = state.withLock { $0.results }
    var values: [Value] = []
    for case let result? in results { values.append(try result.get()) }
    return values
  }
}
