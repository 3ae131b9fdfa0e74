import Files
import PrintableText

/// The reason why the contents of a file are refused. Offsets count bytes from the start of the file.
package enum FormatError: Error, Sendable, Hashable {
  /// A field that starts in the file ends outside of the file or of the record that contains it.
  case truncated(ByteCursorError)
  /// A field has a value that its format does not allow.
  case malformed(field: String, offset: Int, reason: String)
  /// A valid feature that this reader does not support. `advice` says how to avoid it.
  case unsupported(feature: String, offset: Int, advice: String)
  /// The pickle refers to a Python object that no checkpoint needs and that may run code when Python loads the file.
  case unsafeGlobal(name: String, offset: Int)
  /// The file claims to contain more of something than a file of its size can need.
  case limitExceeded(what: String, offset: Int, limit: Int)
  /// The file is not a checkpoint. `looksLike` says which kind of file it is, and `advice` what to do instead.
  case wrongKind(looksLike: String, advice: String)
  /// A well-formed file that has no named tensors where checkpoints have them.
  case noStateDict(reason: String)
  /// A shard that the file refers to cannot be read.
  case dataFile(name: String, reason: String)
  /// The system failed to read a file that this one refers to.
  case system(FileError)
  /// A tensor of the state dict cannot be represented.
  case unreadableTensor(name: String, reason: String)
}

extension FormatError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .truncated(let error):
      "\(error); the file is cut short or damaged: fetch it again"
    case .malformed(let field, let offset, let reason):
      "\(field) at byte \(offset): \(reason)"
    case .unsupported(let feature, let offset, let advice):
      "\(feature) at byte \(offset) is not supported: \(advice)"
    case .unsafeGlobal(let name, let offset):
      "the pickle refers to \(name) at byte \(offset), which no checkpoint needs and which can run code or commands when "
        + "Python loads it; nothing was run. If you trust the file, load it in PyTorch and save only its state dict"
    case .limitExceeded(let what, let offset, let limit):
      "\(what) at byte \(offset): exceeds the limit of \(limit)"
    case .wrongKind(let looksLike, let advice):
      "this looks like \(looksLike), not a checkpoint: \(advice)"
    case .noStateDict(let reason):
      "no state dict: \(reason)"
    case .dataFile(let name, let reason):
      "shard '\(name)': \(reason)"
    case .system(let error): error.description
    case .unreadableTensor(let name, let reason):
      "tensor \(name): \(reason)"
    }
  }
}

/// The reason why a checkpoint cannot be read.
package enum CheckpointError: Error, Sendable, Hashable {
  /// The file is missing, not readable, or empty.
  case file(FileError)
  /// The contents are wrong. `format` is `nil` if they have no known format.
  case content(path: String, format: Checkpoint.Format?, FormatError)

  /// The kind of failure, for the exit status.
  package var kind: FailureKind {
    switch self {
    case .file(let error): error.kind
    case .content(_, _, .system(let error)): error.kind
    case .content: .badData
    }
  }
}

extension CheckpointError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .file(let error): error.description
    case .content(let path, let format, let error):
      "\(path): \(error.isWrongKind ? "" : format.map { "\($0): " } ?? "")\(printable(error.description))"
    }
  }
}

extension FormatError {
  fileprivate var isWrongKind: Bool {
    if case .wrongKind = self { true } else { false }
  }
}
