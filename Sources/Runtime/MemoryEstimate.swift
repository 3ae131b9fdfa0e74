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
    try graph.validate()
    let shapes = try graph.inferShapes(input: [1, height, width, 3])
    let contexts = [PlanningContext(workers: 1), PlanningContext(workers: threads)]
    var (weights, loading) = (0, 0)
    var scratch = [0, 0]
    for (index, node) in graph.nodes.enumerated() {
      guard let output = shapes[node.output.index] else { throw GraphError.structure("'\(node.name)' has no shape") }
      let loaded = try constants(index)
      let prepared = try Executable.prepare(node, in: graph, kernels, loaded)
      for (slot, context) in contexts.enumerated() {
        do throws(GraphError) {
          let plan = try prepared.plan(
            inputs: node.inputs.compactMap { shapes[$0.index] }, output: output, context: context)
          scratch[slot] = max(scratch[slot], plan.scratchByteCount)
        } catch {
          throw GraphError.at(node: node.name, error)
        }
      }
      weights += prepared.byteCount
      loading = max(loading, loaded.values.reduce(0) { $0 + $1.byteCount })
    }
    let memory = zip(contexts, scratch).map { context, scratch in
      MemoryPlan(graph: graph, nodes: graph.nodes.indices, shapes: shapes, scratchByteCount: scratch).byteCount
        + context.tableByteCount
    }
    (self.weights, self.loading, activations, activationsAlone) = (weights, loading, memory[1], memory[0])
  }

  /// What a session on `threads` threads takes for batches of any number of images: the threads evaluate an image
  /// each, and images that are left over together.
  package func session(threads: Int) -> Int {
    threads > 1 ? max(activations, activationsAlone) + (threads - 1) * activationsAlone : activationsAlone
  }
}
