import Graphs
import Kernels
import Operators
import Tensors

/// A graph made ready to run on this machine: kernels chosen, weights packed. Immutable and shared by any number of
/// sessions.
public final class Executable: Sendable {
  public let graph: Graph
  public let kernels: KernelSet
  let prepared: [any PreparedOperator]

  /// - Throws: `GraphError.at` with the node that cannot run.
  public init(_ graph: Graph, kernels: KernelSet = KernelSet()) throws(GraphError) {
    try graph.validate()
    self.graph = graph
    self.kernels = kernels
    var prepared: [any PreparedOperator] = []
    for node in graph.nodes {
      do throws(GraphError) {
        guard let op = node.op as? any RunnableOperator else { throw .unknownOperator(node.kind) }
        prepared.append(
          try op.prepare(
            PreparationContext(
              kernels: kernels, inputFormats: node.inputs.map { graph.format(of: $0) },
              outputFormat: graph.format(of: node.output), constants: node.constants)))
      } catch {
        throw .at(node: node.name, error)
      }
    }
    self.prepared = prepared
  }

  /// Whether the input is pixels (uint8) rather than normalised float.
  public var takesPixels: Bool { graph.format(of: graph.input) != .float32 }
}
