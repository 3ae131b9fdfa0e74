extension Graph {
  /// Checks the structure: unique node names and numbers, one producer for each value, every value made before it is read,
  /// arities, and outputs that exist. Shapes are checked by `inferShapes`.
  package func validate() throws(GraphError) {
    var made = [Bool](repeating: false, count: valueCount)
    made[input.index] = true
    var (names, identities) = (Set<String>(), Set<NodeID>())
    for node in nodes {
      guard names.insert(node.name).inserted else { throw .structure("two nodes are named '\(node.name)'") }
      guard identities.insert(node.id).inserted else {
        throw .structure("two nodes are number \(node.id.index), '\(node.name)' the second")
      }
      do throws(GraphError) { try validate(node, made: &made) } catch { throw .at(node: node.name, error) }
    }
    var outputNames: Set<String> = []
    for output in outputs {
      guard outputNames.insert(output.name).inserted else { throw .structure("two outputs are named '\(output.name)'") }
      guard made.indices.contains(output.value.index), made[output.value.index] else {
        throw .structure("nothing makes the output '\(output.name)'")
      }
    }
  }

  private func validate(_ node: Node, made: inout [Bool]) throws(GraphError) {
    let arity = type(of: node.op).arity
    guard arity.contains(node.inputs.count) else {
      throw .structure("\(node.kind) takes \(arity) inputs, not \(node.inputs.count)")
    }
    for value in node.inputs {
      guard made.indices.contains(value.index), made[value.index] else {
        throw .structure("reads value \(value.index) before anything has made it")
      }
    }
    guard made.indices.contains(node.output.index) else {
      throw .structure("writes value \(node.output.index), which is not in the graph")
    }
    guard !made[node.output.index] else { throw .structure("value \(node.output.index) has two producers") }
    made[node.output.index] = true
  }
}
