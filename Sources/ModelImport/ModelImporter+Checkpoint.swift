import Checkpoints

extension ModelImporter {
  /// Imports the network of a checkpoint of any format.
  ///
  /// - Returns: the network, and the checkpoint that owns the tensors which the network's constants are views of.
  /// - Throws: `CheckpointError` where the file is damaged; `ImportError`, as the other overloads, where its network
  ///   cannot be imported.
  package func importNetwork(
    of outline: CheckpointOutline
  ) throws -> (checkpoint: Checkpoint, network: ImportedNetwork) {
    if let model = outline.network { return (try outline.checkpoint(of: []), try importNetwork(model)) }
    let selection = try select(from: outline.groups)
    let checkpoint = try outline.checkpoint(of: selection.groups, below: selection.base)
    let tensors = checkpoint.tensors.map { (name: $0.name, tensor: $0.tensor) }
    var network = try importNetwork(
      StateDictionary(
        tensors, unreadable: checkpoint.unreadable, doubtful: Set(checkpoint.ignored.map(\.name))), selection)
    if !checkpoint.foreignObjects.isEmpty {
      network.notes.append(
        "the file contains objects of foreign code, which was neither imported nor run: "
          + checkpoint.foreignObjects.joined(separator: ", "))
    }
    return (checkpoint, network)
  }
}
