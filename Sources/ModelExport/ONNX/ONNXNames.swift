/// The names of one ONNX graph. Nodes, values and initialisers share one namespace, so that a name never has two meanings,
/// whatever the nodes of the network are called.
struct ONNXNames {
  private var taken: Set<String>
  /// Names that only the graph's outputs may have, until the node that makes each is added.
  private var reserved: Set<String>
  /// The number to try next where a name is taken.
  private var nextNumbers: [String: Int] = [:]

  /// - Parameters:
  ///   - inputs: of the graph.
  ///   - outputs: of the graph, which nodes will make.
  init(inputs: [String], outputs: [String]) {
    taken = Set(inputs).union(outputs)
    reserved = Set(outputs)
    precondition(taken.count == inputs.count + outputs.count, "an ONNX model's inputs and outputs share a name")
  }

  /// A name that nothing has, and that nothing gets again: the proposed one, or that with the first free number behind it.
  mutating func fresh(_ proposal: String) -> String {
    let base = proposal.isEmpty ? "unnamed" : proposal
    if taken.insert(base).inserted { return base }
    var number = nextNumbers[base, default: 2]
    while !taken.insert("\(base)_\(number)").inserted { number += 1 }
    nextNumbers[base] = number + 1
    return "\(base)_\(number)"
  }

  /// Hands the name of an output to the node that makes it.
  mutating func claim(_ output: String) {
    precondition(
      reserved.remove(output) != nil, "the output '\(output)' of an ONNX model is made twice, or is not declared")
  }

  func contains(_ name: String) -> Bool { taken.contains(name) && !reserved.contains(name) }

  /// Traps unless every output was made.
  func checkOutputs() {
    precondition(reserved.isEmpty, "nothing makes the outputs \(reserved.sorted()) of an ONNX model")
  }
}
