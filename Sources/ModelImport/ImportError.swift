import Graphs
import Suggestions

/// Why a checkpoint cannot become a graph.
package enum ImportError: Error, Sendable {
  /// No architecture recognises the key names; `sample` has the first of them.
  case unknownArchitecture(sample: [String], tensors: Int)
  /// The architecture was recognised, but these tensors are missing.
  case missing(architecture: String, names: [String])
  /// Tensors inside the network that the architecture does not have, with advice where an option helps.
  case unexpectedTensors(architecture: String, names: [String], advice: String?)
  /// A variant of a supported architecture that computes something else. `problem` continues "this looks like …, but".
  case variant(architecture: String, problem: String)
  /// A tensor that the network needs and that the reader of the file format cannot represent.
  case unreadable(name: String, reason: String)
  /// A tensor whose shape, type or value does not fit its use. `problem` continues the tensor's name.
  case badTensor(name: String, problem: String)
  /// An ONNX operator, or a use of one, that is valid and that quern does not support.
  case unsupportedOperator(ONNXLocation, reason: String)
  /// A node of an ONNX model that is invalid or does not fit its inputs.
  case badNode(ONNXLocation, problem: String)
  /// An ONNX model that is invalid or unsupported as a whole.
  case badNetwork(String)
  /// An option that does not fit the checkpoint, or that is needed to read it. The command line reports it as a usage
  /// error.
  case option(String)
}

extension ImportError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unknownArchitecture(let sample, let tensors):
      "the names of the \(tensors) tensors match no architecture that quern supports "
        + "(\(Architectures.all.map { $0.family }.joined(separator: ", "))); the first are \(quotedNames(sample))"
    case .missing(let architecture, let names):
      "this looks like \(architecture), but \(names.count == 1 ? "a tensor is" : "\(names.count) tensors are") missing: "
        + quotedNames(names)
    case .variant(let architecture, let problem): "this looks like \(architecture), but \(problem)"
    case .unreadable(let name, let reason): "tensor '\(name)': \(reason)"
    case .unexpectedTensors(let architecture, let names, let advice):
      "this looks like \(architecture), but \(names.count == 1 ? "a tensor has" : "\(names.count) tensors have") "
        + "no place in it: \(quotedNames(names))"
        + (advice.map { "; \($0)" } ?? "")
    case .badTensor(let name, let problem): "tensor '\(name)' \(problem)"
    case .unsupportedOperator(let location, let reason): "\(location) is not supported: \(reason)"
    case .badNode(let location, let problem): "\(location): \(problem)"
    case .badNetwork(let problem), .option(let problem): problem
    }
  }
}
