/// The names of one ONNX graph. Nodes, values and initialisers share one namespace, so that no name has two meanings,
/// whatever the names of the network's nodes.
struct ONNXNames {
  private var taken: Set<String>
  /// The names of outputs whose nodes have not been added yet.
  private var reserved: Set<String>
  /// The number to try next for a name that is taken.
  private var nextNumbers: [String: Int] = [:]

  /// - Parameters:
  ///   - inputs: the names of the graph's inputs.
  ///   - outputs: the names of the graph's outputs, for which nodes will be added.
  init(inputs: [String], outputs: [String]) {
    taken = Set(inputs).union(outputs)
    reserved = Set(outputs)
    precondition(taken.count == inputs.count + outputs.count, "an ONNX model's inputs and outputs share a name")
  }

  /// Takes a name that is still free: the proposed name, or the proposed name followed by the first free number.
  mutating func fresh(_ proposal: String) -> String {
    let base = proposal.isEmpty ? "unnamed" : proposal
    if taken.insert(base).inserted { return base }
    var number = nextNumbers[base, default: 2]
    while !taken.insert("\(base)_\(number)").inserted { number += 1 }
    nextNumbers[base] = number + 1
    return "\(base)_\(number)"
  }

  /// Takes the name of an output for the node that produces it.
  mutating func claim(_ output: String) {
    precondition(
      reserved.remove(output) != nil, "the output '\(output)' of an ONNX model is produced twice, or is not declared")
  }

  func contains(_ name: String) -> Bool { taken.contains(name) && !reserved.contains(name) }

  /// Traps unless there is a node for every output.
  func checkOutputs() {
    precondition(reserved.isEmpty, "no node produces the outputs \(reserved.sorted()) of an ONNX model")
  }
}
