import Graphs

/// A network whose head is there once for each of several exponents of GeM pooling, so that one run gives the outputs
/// of all of them: what comes before the pooling does not depend on its exponent.
package struct PoolingGrid: Sendable {
  /// The network. The outputs of the exponent with index i have the names `name(_:i)`.
  package let graph: Graph
  package let exponents: [Double]

  /// The name of an output of the network for the exponent with an index.
  package static func name(_ output: String, _ index: Int) -> String { "\(output)@\(index)" }

  /// Repeats the head of a network.
  ///
  /// - Parameters:
  ///   - graph: a network with one head.
  ///   - exponents: positive.
  ///   - names: the outputs that are kept. They come from the image only through the head's pooling.
  /// - Throws: `GraphError.attribute` where an exponent is not positive; `.structure` where the graph lacks an output,
  ///   or where one does not come from one GeM or average pooling alone; the error names another node.
  package init(_ graph: Graph, exponents: [Double], outputs names: [String]) throws(GraphError) {
    guard exponents.allSatisfy({ $0 > 0 }) else { throw .attribute(name: "exponent", expected: "positive") }
    let pooling = graph.nodes.lastIndex { $0.op is GeneralizedMeanPooling }
    var outputs: [GraphOutput] = []
    for name in names {
      guard let value = graph.output(named: name) else { throw .structure("the network has no output '\(name)'") }
      outputs.append(GraphOutput(name: name, value: value))
    }
    for output in outputs { try graph.checkPooled(output, pooling) }
    guard let pooling else { throw .structure("the graph has no GeM pooling") }
    let needed = graph.nodes(neededFor: outputs.map(\.value), stoppingAt: pooling)
    var repeated = graph
    let trunk = Set(graph.nodes(neededFor: graph.nodes[pooling].inputs, stoppingAt: nil))
    repeated.nodes = graph.nodes.indices.filter(trunk.contains).map { graph.nodes[$0] }
    repeated.outputs = []
    for (number, exponent) in exponents.enumerated() {
      var values: [ValueID: ValueID] = [:]
      for index in needed {
        let node = graph.nodes[index]
        var op = node.op
        if index == pooling, var pooling = op as? GeneralizedMeanPooling {
          pooling.exponent = exponent
          op = pooling
        }
        values[node.output] = repeated.append(
          op, name: Self.name(node.name, number), inputs: node.inputs.map { values[$0] ?? $0 },
          constants: node.constants, format: graph.format(of: node.output))
      }
      repeated.outputs += outputs.map { output in
        GraphOutput(name: Self.name(output.name, number), value: values[output.value] ?? output.value)
      }
    }
    self.graph = repeated
    self.exponents = exponents
  }
}

extension Graph {
  /// The indices of the nodes that values depend on, in order of execution.
  ///
  /// - Parameter stop: the index of a node that is included without its own inputs.
  fileprivate func nodes(neededFor values: [ValueID], stoppingAt stop: Int?) -> [Int] {
    var read = Set(values)
    var needed: [Int] = []
    for index in nodes.indices.reversed() where read.contains(nodes[index].output) {
      needed.append(index)
      if index != stop { read.formUnion(nodes[index].inputs) }
    }
    return needed.reversed()
  }

  /// Checks that an output comes from the image only through the pooling.
  ///
  /// - Throws: `GraphError.structure`, which names the last node that does not.
  fileprivate func checkPooled(_ output: GraphOutput, _ pooling: Int?) throws(GraphError) {
    // Going back from the output, but not past the pooling, may not lead to the image.
    let needed = nodes(neededFor: [output.value], stoppingAt: pooling)
    if let pooling, needed.contains(pooling),
      !needed.contains(where: { $0 != pooling && nodes[$0].inputs.contains(input) })
    {
      return
    }
    var pooled: Set<ValueID> = []
    if let pooling { pooled.insert(nodes[pooling].output) }
    for index in needed where nodes[index].inputs.contains(where: pooled.contains) {
      pooled.insert(nodes[index].output)
    }
    let others = needed.filter { !pooled.contains(nodes[$0].output) }
    // Networks do not differ in L2 normalisation.
    let last = others.last { !(nodes[$0].op is L2Normalization) } ?? others.last
    let source = last.map { "'\(nodes[$0].name)' (\(nodes[$0].kind))" } ?? "the image"
    throw .structure(
      "the \(output.name) is computed from \(source), and not from one GeM or average pooling alone")
  }
}
