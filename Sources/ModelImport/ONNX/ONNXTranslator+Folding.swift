import Checkpoints
import Tensors

/// What is known when a model is translated: constants, and which branch of an `If` is taken.
extension ONNXTranslator {
  /// Translates the branch of an `If` that its condition selects, which must not depend on the image's pixels, nor on
  /// its size where the model takes images of any size.
  mutating func inline(_ node: ONNXModel.Node) throws(ImportError) {
    guard try value(node, 0).isConstant, let condition = try scalar(node, 0) else {
      throw unsupported(node, "its condition depends on the image; export the network without it")
    }
    guard sizeMarks[node.inputs[0]] == nil else {
      throw unsupported(node, "its condition depends on the size of the image")
    }
    let nameOfBranch = condition != 0 ? "then_branch" : "else_branch"
    guard case .graph(let branch)? = node.attributes[nameOfBranch] else { throw bad(node, "has no \(nameOfBranch)") }
    guard branch.outputs.count == node.outputs.count else {
      throw bad(node, "has \(node.outputs.count) outputs, but its \(nameOfBranch) has \(branch.outputs.count)")
    }
    let defined = try names(definedBy: branch)
    // ONNX requires names of their own: runtimes take different values for a name that is there twice.
    for name in defined where values[name] != nil || schedule.isGiven(name) || schedule.computes(name) {
      throw bad(node, "has a \(nameOfBranch) that defines '\(name)', which is defined outside of it, too")
    }
    for (name, tensor) in branch.initializers { values[name] = .constant(tensor) }
    for inner in branch.nodes { try translate(inner) }
    let results = branch.outputs.map { self[binding: $0] }
    // Another branch may define the same names.
    for name in defined { self[binding: name] = Binding() }
    for (output, result) in zip(node.outputs, results) where !output.isEmpty {
      // A value that is missing here is reported by the node that reads it.
      self[binding: output] = result
    }
  }

  /// The names of the values that a branch defines.
  ///
  /// - Throws: `ImportError.badNode` where the branch defines one twice, or reads one before it is computed.
  private func names(definedBy branch: ONNXModel.Subgraph) throws(ImportError) -> [String] {
    var names = branch.initializers.names
    let computed = Set(branch.nodes.flatMap(\.outputs))
    var defined = Set(names)
    for node in branch.nodes {
      for input in node.inputs + node.captured where !input.isEmpty && computed.contains(input) {
        guard defined.contains(input) else { throw bad(node, "reads '\(input)' before it is computed") }
      }
      for output in node.outputs where !output.isEmpty {
        guard defined.insert(output).inserted else {
          throw bad(node, "computes '\(output)', which is defined elsewhere too")
        }
        names.append(output)
      }
    }
    return names
  }

  /// Everything that is known of a name, which a branch may use for another value.
  private struct Binding {
    var value: ONNXValue?
    var levels: ONNXStoredLevels?
    var sizeMarks: [Int]?
    var isBytes = false
    var isFolded = false
  }

  private subscript(binding name: String) -> Binding {
    get {
      Binding(
        value: values[name], levels: storedLevels[name], sizeMarks: sizeMarks[name],
        isBytes: values.bytes.contains(name), isFolded: folded.contains(name))
    }
    set {
      values[name] = newValue.value
      storedLevels[name] = newValue.levels
      sizeMarks[name] = newValue.sizeMarks
      if newValue.isBytes { values.bytes.insert(name) } else { values.bytes.remove(name) }
      if newValue.isFolded { folded.insert(name) } else { folded.remove(name) }
    }
  }

  /// The value of a node whose inputs are all constant; `nil` for other nodes.
  mutating func fold(_ node: ONNXModel.Node) throws(ImportError) -> Tensor? {
    if let cached = foldings[node] { return cached }
    guard let result = try foldedValue(of: node) else {
      try followSize(node)
      return nil
    }
    foldings.budget.keep(result)
    foldings.store(result, of: node)
    if let output = node.outputs.first { folded.insert(output) }
    return result
  }

  private mutating func foldedValue(of node: ONNXModel.Node) throws(ImportError) -> Tensor? {
    guard node.domain.isEmpty || Self.isQuantization(node), let folding = ONNXFolding.all[node.operatorType] else {
      return nil
    }
    var inputs: [Tensor?] = []
    for name in node.inputs {
      if name.isEmpty {
        inputs.append(nil)
      } else if case .constant(let tensor)? = values[name] {
        inputs.append(tensor)
      } else {
        return nil
      }
    }
    let result: Tensor?
    foldings.budget.begin()
    do {
      result = try folding(
        ONNXFolding.Operands(
          node: node, inputs: inputs, operatorSet: model.operatorSet, budget: foldings.budget))
    } catch { throw bad(node, error.problem) }
    if let result { try followSize(node, inputs: inputs, result: result) }
    return result
  }

  /// Forgets the folded inputs of a node that has been translated, if no other node will read them.
  mutating func releaseInputs(of node: ONNXModel.Node) {
    for name in node.inputs {
      guard let count = readCounts[name] else { continue }
      let read = reads[name, default: 0] + 1
      reads[name] = read
      if count == read, folded.remove(name) != nil { values[name] = nil }
    }
  }
}
