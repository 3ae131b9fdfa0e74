import Graphs
import Kernels
import Operators
import Tensors
import Threads

/// A graph made ready to run on this machine, or a segment of it: kernels chosen, weights packed. Immutable and shared by
/// any number of sessions.
package final class Executable: Sendable {
  package let graph: Graph
  /// The indices of the nodes that are ready: all of them, or a segment that `Session.resume` runs.
  package let nodes: Range<Int>
  package let kernels: KernelSet
  private let prepared: [any PreparedOperator]

  /// - Parameters:
  ///   - nodes: the segment to make ready; `nil`: the whole graph.
  ///   - threads: that prepare nodes at the same time; they have no part in running it.
  /// - Throws: `GraphError.at` with the node that cannot run.
  package init(
    _ graph: Graph, nodes: Range<Int>? = nil, kernels: KernelSet = KernelSet(), threads: Int = 1
  ) throws(GraphError) {
    self.graph = graph
    self.nodes = nodes?.clamped(to: graph.nodes.indices) ?? graph.nodes.indices
    self.kernels = kernels
    do {
      prepared = try Self.prepare(graph, self.nodes, kernels, threads) { graph.nodes[$0].constants }
    } catch {
      throw error as? GraphError ?? .structure("\(error)")
    }
  }

  /// The same for a graph whose constants are described only (`Tensor.init(describing:shape:)`). Those of a node are in
  /// memory while it is prepared.
  ///
  /// - Parameter constants: gives them; called once for each node, from several threads.
  /// - Throws: `GraphError.at` with the node that cannot run, or what `constants` throws, for the first node that fails.
  package init(
    _ graph: Graph, kernels: KernelSet = KernelSet(), threads: Int = 1,
    loading constants: (_ node: Int) throws -> [String: Tensor]
  ) throws {
    self.graph = graph
    nodes = graph.nodes.indices
    self.kernels = kernels
    prepared = try Self.prepare(graph, nodes, kernels, threads, constants)
  }

  /// The operator of one of `nodes`.
  func prepared(_ index: Int) -> any PreparedOperator { prepared[index - nodes.lowerBound] }

  private init(_ graph: Graph, nodes: Range<Int>, kernels: KernelSet, prepared: [any PreparedOperator]) {
    self.graph = graph
    self.nodes = nodes
    self.kernels = kernels
    self.prepared = prepared
  }

  /// The same network with another exponent of the head's GeM pooling, sharing all that was made ready.
  ///
  /// - Throws: `GraphError.attribute` where the exponent is not positive; `.structure` where nothing pools by GeM.
  package func pooling(by exponent: Double) throws(GraphError) -> Executable {
    guard graph.poolingExponent != exponent else { return self }
    var (graph, prepared) = (graph, prepared)
    let index = try graph.setPoolingExponent(exponent)
    let node = graph.nodes[index]
    guard nodes.contains(index) else { return Executable(graph, nodes: nodes, kernels: kernels, prepared: prepared) }
    prepared[index - nodes.lowerBound] = try Self.prepare(node, in: graph, kernels, node.constants)
    return Executable(graph, nodes: nodes, kernels: kernels, prepared: prepared)
  }

  /// Whether the input is pixels (uint8) rather than normalised float.
  package var takesPixels: Bool { graph.format(of: graph.input) != .float32 }

  private static func prepare(
    _ graph: Graph, _ nodes: Range<Int>, _ kernels: KernelSet, _ threads: Int,
    _ constants: (Int) throws -> [String: Tensor]
  ) throws -> [any PreparedOperator] {
    try graph.validate()
    return try ThreadTeam(count: min(threads, nodes.count)).map(nodes.count) { place in
      let index = nodes.lowerBound + place
      return Result { try prepare(graph.nodes[index], in: graph, kernels, try constants(index)) }
    }.map { try $0.get() }
  }

  static func prepare(
    _ node: Node, in graph: Graph, _ kernels: KernelSet, _ constants: [String: Tensor]
  ) throws(GraphError) -> any PreparedOperator {
    do throws(GraphError) {
      guard let op = node.op as? any RunnableOperator else { throw .unknownOperator(node.kind) }
      if case .uint8WithRemainder = graph.format(of: node.output), type(of: node.op).remainderRule == .never {
        throw .structure("\(node.kind) makes no remainders")
      }
      let prepared = try op.prepare(
        PreparationContext(
          kernels: kernels, inputFormats: graph.inputFormats(of: node),
          outputFormat: graph.format(of: node.output), constants: constants))
      // The packed form is what will be read from now on.
      for constant in constants.values { constant.releasePages() }
      return prepared
    } catch {
      throw .at(node: node.name, error)
    }
  }
}

extension Graph {
  /// The formats in which a node reads its inputs: without remainders, unless its operator takes them.
  fileprivate func inputFormats(of node: Node) -> [ValueFormat] {
    node.inputs.enumerated().map { slot, value in
      let format = format(of: value)
      return readsRemainder(node, ofInput: slot) ? format : format.withoutRemainder
    }
  }
}
