extension Operator {
  /// The bytes of the list of channels that it selects; 0 for other operators.
  package var listBytes: Int {
    guard case .selected(let channels) = channelRule(ofInput: 0) else { return 0 }
    return channels.count * MemoryLayout<Int>.stride
  }
}

extension Graph {
  /// The largest number of nodes of a network that is read. The largest known have some thousand.
  package static let nodeLimit = 1 << 14

  /// Checks the structure: unique names and identifiers of nodes, unique names of outputs, one producer for each value,
  /// every value computed before it is read, and the number of inputs of each operator. Shapes are checked by
  /// `inferShapes`.
  ///
  /// - Throws: `GraphError.structure`, inside `.at` where it is about one node.
  package func validate() throws(GraphError) {
    var isComputed = [Bool](repeating: false, count: valueCount)
    isComputed[input.index] = true
    var (names, identities) = (Set<String>(), Set<NodeID>())
    for node in nodes {
      guard names.insert(node.name).inserted else { throw .structure("two nodes are named '\(node.name)'") }
      guard identities.insert(node.id).inserted else {
        throw .structure("two nodes have the identifier \(node.id.index); the second is '\(node.name)'")
      }
      do throws(GraphError) { try validate(node, isComputed: &isComputed) } catch { throw .at(node: node.name, error) }
    }
    var outputNames: Set<String> = []
    for output in outputs {
      guard outputNames.insert(output.name).inserted else { throw .structure("two outputs are named '\(output.name)'") }
      guard isComputed.indices.contains(output.value.index), isComputed[output.value.index] else {
        throw .structure("no node computes the output '\(output.name)'")
      }
    }
  }

  /// Checks that the constants and the lists of channels of all nodes together take at most `limit` bytes, each counted
  /// as often as nodes have it: they are packed for each node.
  ///
  /// - Throws: `GraphError.structure`.
  package func checkConstants(limit: Int) throws(GraphError) {
    var total = 0
    func add(_ byteCount: Int) {
      let (sum, overflow) = total.addingReportingOverflow(byteCount)
      total = overflow ? .max : sum
    }
    for node in nodes {
      for constant in node.constants.values { add(constant.byteCount) }
      add(node.op.listBytes)
    }
    guard total <= limit else {
      throw .structure(
        "its nodes have \(total) bytes of constants, more than the \(limit) that are allowed for a file of this size, "
          + "as many nodes share them")
    }
  }

  private func validate(_ node: Node, isComputed: inout [Bool]) throws(GraphError) {
    let arity = type(of: node.op).arity
    guard arity.contains(node.inputs.count) else {
      throw .structure("\(node.kind) takes \(arity) inputs, not \(node.inputs.count)")
    }
    for value in node.inputs {
      guard isComputed.indices.contains(value.index), isComputed[value.index] else {
        throw .structure("reads value \(value.index) before any node has computed it")
      }
    }
    guard isComputed.indices.contains(node.output.index) else {
      throw .structure("writes value \(node.output.index), which is not in the graph")
    }
    guard !isComputed[node.output.index] else { throw .structure("value \(node.output.index) has two producers") }
    isComputed[node.output.index] = true
  }
}
