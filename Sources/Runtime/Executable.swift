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
        if case .uint8WithRemainder = graph.format(of: node.output), !type(of: node.op).makesRemainders {
          throw .structure("\(node.kind) makes no remainders")
        }
        prepared.append(
          try op.prepare(
            PreparationContext(
              kernels: kernels, inputFormats: graph.inputFormats(of: node),
              outputFormat: graph.format(of: node.output), constants: node.constants)))
        // The packed form is what will be read from now on.
        for constant in node.constants.values { constant.releasePages() }
      } catch {
        throw .at(node: node.name, error)
      }
    }
    self.prepared = prepared
  }

  /// Whether the input is pixels (uint8) rather than normalised float.
  public var takesPixels: Bool { graph.format(of: graph.input) != .float32 }
}

extension Graph {
  /// The formats in which a node reads its inputs: without remainders, unless its operator takes them.
  fileprivate func inputFormats(of node: Node) -> [ValueFormat] {
    node.inputs.enumerated().map { slot, value in
      let format = format(of: value)
      return type(of: node.op).readsRemainder(ofInput: slot) ? format : format.withoutRemainder
    }
  }
}
