/// Why a graph cannot be exported to another format.
package enum ExportError: Error, Hashable, Sendable {
  /// An operator for which no export is implemented.
  case unsupported(node: String, op: String)
  /// A node whose constants or inputs do not suit its operator.
  case malformed(node: String, problem: String)
  /// The model has more bytes than the format allows in one file.
  case tooLarge(byteCount: Int, limit: Int)
}

extension ExportError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unsupported(let node, let op): "node '\(node)': \(op) cannot be exported to ONNX"
    case .malformed(let node, let problem): "node '\(node)': \(problem)"
    case .tooLarge(let byteCount, let limit):
      "the model needs \(byteCount) bytes, but a single ONNX file has at most \(limit)"
    }
  }
}
