import Graphs
import Kernels
import Operators
import Tensors
import Threads

/// A graph, or a segment of it, prepared to run on this machine: kernels are chosen and weights packed. Immutable, and
/// shared by any number of sessions.
package final class Executable: Sendable {
  /// The whole graph, even where only a segment is prepared.
  package let graph: Graph
  /// The indices of the prepared nodes: all of them, or a segment that `Session.resume` runs.
  package let nodes: Range<Int>
  /// The kernels that the operators use.
  package let kernels: KernelSet
  private let prepared: [any PreparedOperator]

  /// - Parameters:
  ///   - nodes: The segment to prepare, or `nil` for the whole graph.
  ///   - threads: The number of nodes that are prepared at the same time. It does not matter for running the graph.
  /// - Throws: `GraphError.structure` where the graph is broken, or `.at`, with the node that cannot run.
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

  /// As above, for a graph whose constants are only described (`Tensor.init(describing:shape:)`). Those of a node
  /// are loaded when it is prepared, and released after that.
  ///
  /// - Parameter constants: Loads the constants of a node. It is called once for each node, from several threads.
  /// - Throws: `GraphError.structure` where the graph is broken; for the first node that fails, `GraphError.at` or the
  ///   error of `constants`.
  package init(
    _ graph: Graph, kernels: KernelSet = KernelSet(), threads: Int = 1,
    loading constants: (_ node: Int) throws -> [String: Tensor]
  ) throws {
    self.graph = graph
    nodes = graph.nodes.indices
    self.kernels = kernels
    prepared = try Self.prepare(graph, nodes, kernels, threads, constants)
  }

  /// The prepared operator of one of `nodes`.
  func prepared(_ index: Int) -> any PreparedOperator { prepared[index - nodes.lowerBound] }

  private init(_ graph: Graph, nodes: Range<Int>, kernels: KernelSet, prepared: [any PreparedOperator]) {
    self.graph = graph
    self.nodes = nodes
    self.kernels = kernels
    self.prepared = prepared
  }

  /// The same network with another exponent by which the embedding is pooled. It shares all other prepared operators.
  ///
  /// - Throws: `GraphError.attribute` where the exponent is not positive, `.structure` where the embedding does not
  ///   come from one pooling, or `.at` where the pooling cannot run with the exponent.
  package func pooling(by exponent: Double) throws(GraphError) -> Executable {
    guard graph.poolingExponent != exponent else { return self }
    var (graph, prepared) = (graph, prepared)
    let index = try graph.setPoolingExponent(exponent)
    let node = graph.nodes[index]
    guard nodes.contains(index) else { return Executable(graph, nodes: nodes, kernels: kernels, prepared: prepared) }
    prepared[index - nodes.lowerBound] = try Self.prepare(node, in: graph, kernels, node.constants)
    return Executable(graph, nodes: nodes, kernels: kernels, prepared: prepared)
  }

  /// Checks that the prepared nodes can be planned, without making a plan.
  ///
  /// - Parameter shapes: The shape of each value, as `Graph.inferShapes` returns them.
  /// - Throws: `GraphError.at`, with the node whose maps are too small or too large for its operator.
  package func checkPlan(shapes: [Shape?]) throws(GraphError) {
    let context = PlanningContext(workers: 1, makesTables: false)
    for index in nodes {
      let node = graph.nodes[index]
      guard let output = shapes[node.output.index] else { throw .structure("the shape of '\(node.name)' is unknown") }
      do throws(GraphError) {
        try prepared(index).check(
          inputs: node.inputs.compactMap { shapes[$0.index] }, output: output, context: context)
      } catch {
        throw .at(node: node.name, error)
      }
    }
  }

  /// Whether the input is pixels (uint8) rather than normalised float32 values.
  package var takesPixels: Bool { graph.format(of: graph.input) != .float32 }

  private static func prepare(
    _ graph: Graph, _ nodes: Range<Int>, _ kernels: KernelSet, _ threads: Int,
    _ constants: (Int) throws -> [String: Tensor]
  ) throws -> [any PreparedOperator] {
    try graph.validate()
    // Those with the largest constants come first, so that all threads finish at about the same time, and memory for
    // constants suffices for those that follow.
    let sizes = nodes.map { index in graph.nodes[index].constants.values.reduce(0) { $0 + $1.byteCount } }
    let order = sizes.indices.sorted { (-sizes[$0], $0) < (-sizes[$1], $1) }
    let results = ThreadTeam(count: min(threads, nodes.count)).map(order.count) { position in
      let index = nodes.lowerBound + order[position]
      return Result { try prepare(graph.nodes[index], in: graph, kernels, try constants(index)) }
    }
    var positions = order
    for (position, offset) in order.enumerated() { positions[offset] = position }
    return try positions.map { try results[$0].get() }
  }

  static func prepare(
    _ node: Node, in graph: Graph, _ kernels: KernelSet, _ constants: [String: Tensor]
  ) throws(GraphError) -> any PreparedOperator {
    do throws(GraphError) {
      guard let op = node.op as? any RunnableOperator else { throw .unknownOperator(node.kind) }
      if case .uint8WithRemainder = graph.format(of: node.output), type(of: node.op).remainderRule == .never {
        throw .structure("the output of \(node.kind) cannot have remainders")
      }
      let prepared = try op.prepare(
        PreparationContext(
          kernels: kernels, inputFormats: graph.inputFormats(of: node),
          outputFormat: graph.format(of: node.output), constants: constants))
      // From here on, only the packed form is read.
      for constant in constants.values { constant.releasePages() }
      return prepared
    } catch {
      throw .at(node: node.name, error)
    }
  }
}

extension Graph {
  /// The formats in which a node reads its inputs: without remainders, unless its operator reads them.
  fileprivate func inputFormats(of node: Node) -> [ValueFormat] {
    node.inputs.enumerated().map { slot, value in
      let format = format(of: value)
      return readsRemainder(node, ofInput: slot) ? format : format.withoutRemainder
    }
  }
}
