import Graphs
import Runtime
import Threads

/// A float network that is made ready to run when it is first needed, and that can be unloaded while it is not needed.
/// Its packed weights take more memory than anything else in a conversion.
final class FloatNetwork: Sendable {
  let graph: Graph
  private let threads: Int
  private let ready = Mutex<Executable?>(nil)

  /// - Parameter threads: how many threads make it ready to run.
  init(_ graph: Graph, threads: Int) {
    self.graph = graph
    self.threads = threads
  }

  /// The network, ready to run. Where several threads call this at the same time, one prepares it and the others wait.
  func executable() throws(GraphError) -> Executable {
    let result: Result<Executable, GraphError> = ready.withLock { ready in
      if let ready { return .success(ready) }
      let prepared = Result { () throws(GraphError) in try Executable(graph, threads: threads) }
      ready = try? prepared.get()
      return prepared
    }
    return try result.get()
  }

  /// Unloads the packed weights. Their memory is freed together with the last session that uses them.
  func unload() { ready.withLock { $0 = nil } }
}
