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
  ///   - names: the outputs that are kept, at least one. They come from the image only through the same pooling.
  /// - Throws: `GraphError.attribute` where an exponent is not positive; `.structure` where the graph lacks an output,
  ///   where one does not come from one GeM or average pooling alone, or where two come from different ones; the error
  ///   names nodes.
  package init(_ graph: Graph, exponents: [Double], outputs names: [String]) throws(GraphError) {
    guard exponents.allSatisfy({ $0 > 0 }) else { throw .attribute(name: "exponent", expected: "positive") }
    var (outputs, poolings) = ([GraphOutput](), [Int]())
    for name in names {
      guard let value = graph.output(named: name) else { throw .structure("the network has no output '\(name)'") }
      outputs.append(GraphOutput(name: name, value: value))
    }
    for output in outputs { poolings.append(try graph.pooling(of: output)) }
    guard let pooling = poolings.first else { throw .structure("no output is kept") }
    if let other = poolings.firstIndex(where: { $0 != pooling }) {
      throw .structure(
        "the \(outputs[0].name) is pooled by '\(graph.nodes[pooling].name)', but the \(outputs[other].name) by "
          + "'\(graph.nodes[poolings[other]].name)'")
    }
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
}
