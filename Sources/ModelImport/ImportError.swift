import Graphs

/// Why a checkpoint cannot become a graph.
package enum ImportError: Error, Sendable {
  /// No architecture recognises the key names.
  case unknownArchitecture(sample: [String], tensors: Int)
  /// The architecture was recognised, but these tensors are missing.
  case missing(architecture: String, names: [String])
  /// Tensors inside of the network that the architecture does not have, and what to do where an option helps.
  case leftOver(architecture: String, names: [String], advice: String?)
  /// A member of a known architecture that computes something else than the supported ones.
  case variant(architecture: String, problem: String)
  /// A tensor that the network needs and that the file's reader cannot represent.
  case unreadable(name: String, reason: String)
  /// A tensor of a shape or type that it cannot have.
  case badTensor(name: String, problem: String)
  /// An operator of an ONNX model, or a use of one, that quern cannot run.
  case unsupportedOperator(ONNXPlace, reason: String)
  /// A node of an ONNX model that is wrong in itself or does not fit its neighbours.
  case badNode(ONNXPlace, problem: String)
  /// An ONNX model that is wrong as a whole.
  case badNetwork(String)
  /// An option does not fit the checkpoint.
  case option(String)
}

extension ImportError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unknownArchitecture(let sample, let tensors):
      "none of the \(tensors) tensors looks like a network that quern knows "
        + "(\(Architectures.all.map { $0.family }.joined(separator: ", "))); the first are \(Self.list(sample))"
    case .missing(let architecture, let names):
      "this looks like \(architecture), but \(names.count == 1 ? "a tensor is" : "\(names.count) tensors are") missing: "
        + Self.list(names)
    case .variant(let architecture, let problem): "this looks like \(architecture), but \(problem)"
    case .unreadable(let name, let reason): "tensor '\(name)': \(reason)"
    case .leftOver(let architecture, let names, let advice):
      "this looks like \(architecture), but \(names.count == 1 ? "a tensor has" : "\(names.count) tensors have") "
        + "no place in it: \(Self.list(names))"
        + (advice.map { "; \($0)" } ?? "")
    case .badTensor(let name, let problem): "tensor '\(name)' \(problem)"
    case .unsupportedOperator(let place, let reason): "\(place) is not supported: \(reason)"
    case .badNode(let place, let problem): "\(place): \(problem)"
    case .badNetwork(let problem), .option(let problem): problem
    }
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
    return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
  }
}
