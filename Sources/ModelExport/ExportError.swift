/// Why a graph cannot be written in another format.
package enum ExportError: Error, Hashable, Sendable {
  /// An operator without a counterpart.
  case unsupported(node: String, op: String)
  /// A node whose constants are not what its operator needs.
  case malformed(node: String, problem: String)
  /// Beyond what the format can hold in one file.
  case tooLarge(byteCount: Int, limit: Int)
}

extension ExportError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unsupported(let node, let op): "node '\(node)': \(op) has no counterpart in ONNX that quern writes"
    case .malformed(let node, let problem): "node '\(node)': \(problem)"
    case .tooLarge(let byteCount, let limit):
      "the model takes \(byteCount) bytes, and a single ONNX file holds at most \(limit)"
    }
  }
}
