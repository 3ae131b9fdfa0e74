import Graphs
import Runtime
import Synchronization

/// A float network that is made ready to run when it is needed, and can be put away where it is not for a while: its packed
/// weights are the most memory that a conversion takes.
final class FloatNetwork: Sendable {
  let graph: Graph
  private let threads: Int
  private let ready = Mutex<Executable?>(nil)

  /// - Parameter threads: that make it ready.
  init(_ graph: Graph, threads: Int) {
    self.graph = graph
    self.threads = threads
  }

  /// The network ready to run; threads that ask at the same time wait for one.
  func executable() throws(GraphError) -> Executable {
    let result: Result<Executable, GraphError> = ready.withLock { ready in
      if let ready { return .success(ready) }
      let made = Result { () throws(GraphError) in try Executable(graph, threads: threads) }
      ready = try? made.get()
      return made
    }
    return try result.get()
  }

  /// Gives its memory back when the last session that runs it is gone.
  func unload() { ready.withLock { $0 = nil } }
}
