/// The tensors of a checkpoint that belong to its head, by name, for programs that write a changed checkpoint.
///
/// Names are those of the tensors of the imported `Checkpoint`, after `name(of:)`.
package struct CheckpointHead: Sendable {
  /// The names of the tensors that hold GeM exponents.
  package let exponents: [String]
  /// The prefix of the names of a whitening's tensors; `nil` without one.
  package let whitening: String?
  /// The path of the linear layer that computes the logits; `nil` without one.
  package let classifier: String?
  /// The tensors of heads that were left out.
  package let leftOut: [String]
  /// The key prefix of the module that a new part of the head belongs to.
  package let scope: String
  /// The key prefix of the outermost module that may be part of the network.
  package let floor: String
  /// Whether the last map is pooled; otherwise the network has no exponent.
  package let isPooled: Bool
  /// The key prefix of the modules that are renamed.
  let trunk: String
  /// The names of these modules by the file's.
  let aliases: [String: String]

  /// The name of a tensor with the architecture's names of modules, where the file has others.
  package func name(of tensor: String) -> String {
    StateDictionary.renamed(tensor, below: trunk, aliases)
  }
}
