import Graphs
import Kernels
import Operators
import Tensors

/// The memory that running a graph on images of one size takes, in bytes, determined without reserving it.
package struct MemoryEstimate: Hashable, Sendable {
  /// The packed weights, which all sessions share.
  package let weights: Int
  /// The largest constants of a node, which are in memory besides the packed weights while a node is prepared.
  package let loading: Int
  /// The activations, scratch memory and tables of one image that the given number of threads evaluate together.
  package let activations: Int
  /// The same for one image that a thread evaluates by itself.
  package let activationsAlone: Int

  /// Prepares and plans node by node, and keeps nothing of a node when it comes to the next.
  ///
  /// - Parameters:
  ///   - graph: The graph. Its constants need no elements.
  ///   - height: The height of the input in pixels.
  ///   - width: The width of the input in pixels.
  ///   - threads: The number of threads that evaluate an image together.
  ///   - kernels: The kernels to run with.
  ///   - constants: Loads the constants of a node.
  /// - Throws: As `Executable.init` and `Session.run`, and the errors of `constants`.
  package init(
    _ graph: Graph, height: Int, width: Int, threads: Int, kernels: KernelSet = KernelSet(),
    loading constants: (_ node: Int) throws -> [String: Tensor]
  ) throws {
    self = try Self.estimates(
      graph, inputs: [(height: height, width: width)], threads: threads, kernels: kernels, loading: constants)[0].get()
  }

  /// The same for several sizes, for which the constants of each node are loaded once.
  ///
  /// - Parameter inputs: The heights and widths of the input in pixels.
  /// - Returns: An estimate for each of `inputs`, or why the graph cannot take images of this size.
  /// - Throws: As `Executable.init`, and the errors of `constants`.
  package static func estimates(
    _ graph: Graph, inputs: [(height: Int, width: Int)], threads: Int, kernels: KernelSet = KernelSet(),
    loading constants: (_ node: Int) throws -> [String: Tensor]
  ) throws -> [Result<MemoryEstimate, GraphError>] {
    try graph.validate()
    var sizes = inputs.map { SizePlanning(graph, height: $0.height, width: $0.width, threads: threads) }
    // By size, so that weights seldom change their form from one to the next.
    let order = inputs.indices.sorted {
      (inputs[$0].height, inputs[$0].width) < (inputs[$1].height, inputs[$1].width)
    }
    var loading = 0
    for (index, node) in graph.nodes.enumerated() {
      guard sizes.contains(where: { $0.failure == nil }) else { break }
      let loaded = try constants(index)
      var prepared = try Executable.prepare(node, in: graph, kernels, loaded)
      var weights: Int?
      for size in order where sizes[size].failure == nil {
        sizes[size].plan(node, prepared)
        if let weights, prepared.byteCount != weights {
          // The other sizes do not need the form that this one does, nor this one theirs.
          prepared = try Executable.prepare(node, in: graph, kernels, loaded)
          sizes[size].plan(node, prepared)
        }
        weights = prepared.byteCount
        sizes[size].weights += prepared.byteCount
      }
      loading = max(loading, loaded.values.reduce(0) { $0 + $1.byteCount })
    }
    return sizes.map { $0.estimate(of: graph, loading: loading) }
  }

  private init(weights: Int, loading: Int, activations: Int, activationsAlone: Int) {
    (self.weights, self.loading) = (weights, loading)
    (self.activations, self.activationsAlone) = (activations, activationsAlone)
  }

  /// What is known of one size while a graph is planned node by node.
  private struct SizePlanning {
    /// Why the graph cannot take images of the size.
    private(set) var failure: GraphError?
    /// The packed weights of the nodes so far.
    var weights = 0
    private var shapes: [Shape?] = []
    /// For one worker, and for several where there are several.
    private let contexts: [PlanningContext]
    private var scratch: [Int]

    init(_ graph: Graph, height: Int, width: Int, threads: Int) {
      contexts = (threads > 1 ? [1, threads] : [1]).map { PlanningContext(workers: $0, makesTables: false) }
      scratch = contexts.map { _ in 0 }
      do throws(GraphError) {
        shapes = try graph.inferShapes(input: [1, height, width, 3])
      } catch {
        failure = error
      }
    }

    mutating func plan(_ node: Node, _ prepared: any PreparedOperator) {
      guard let output = shapes[node.output.index] else {
        failure = .structure("'\(node.name)' has no shape")
        return
      }
      let inputs = node.inputs.compactMap { shapes[$0.index] }
      do throws(GraphError) {
        for (slot, context) in contexts.enumerated() {
          let plan = try prepared.plan(inputs: inputs, output: output, context: context)
          scratch[slot] = max(scratch[slot], plan.scratchByteCount)
        }
      } catch {
        failure = .at(node: node.name, error)
      }
    }

    func estimate(of graph: Graph, loading: Int) -> Result<MemoryEstimate, GraphError> {
      if let failure { return .failure(failure) }
      let memory = zip(contexts, scratch).map { context, scratch in
        MemoryPlan(graph: graph, nodes: graph.nodes.indices, shapes: shapes, scratchByteCount: scratch).byteCount
          + context.tableByteCount
      }
      return .success(
        MemoryEstimate(
          weights: weights, loading: loading, activations: memory[memory.count - 1], activationsAlone: memory[0]))
    }
  }

  /// What a session on `threads` threads takes for batches of any number of images: the threads evaluate an image
  /// each, and images that are left over together.
  package func session(threads: Int) -> Int {
    threads > 1 ? max(activations, activationsAlone) + (threads - 1) * activationsAlone : activationsAlone
  }
}
