import Files

/// What is wrong with the contents of a file. Offsets count bytes from the start of the file.
package enum FormatError: Error, Sendable, Hashable {
  /// A field that begins in the file ends outside of it, or of the record that holds it.
  case truncated(ByteCursorError)
  /// A field has a value that its format does not allow.
  case malformed(field: String, offset: Int, reason: String)
  /// Valid, but nothing this reader takes.
  case unsupported(feature: String, offset: Int, advice: String)
  /// The pickle wants a Python object that no checkpoint's tensors need, and that may run code when Python loads it.
  case unsafeGlobal(name: String, offset: Int)
  /// The file asks for more than a file of its size can need.
  case limitExceeded(what: String, offset: Int, limit: Int)
  /// Another kind of file altogether.
  case wrongKind(looksLike: String, advice: String)
  /// A well-formed file without named tensors where they are looked for.
  case noStateDict(reason: String)
  /// A file that this one names as holding a part of its tensors.
  case dataFile(name: String, reason: String)
  /// A tensor of the state dict that cannot be represented, and why.
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
        + "Python loads it; nothing was run. If you trust the file, load it in PyTorch and save its state dict alone"
    case .limitExceeded(let what, let offset, let limit):
      "\(what) at byte \(offset): more than the \(limit) that a file of this size may have"
    case .wrongKind(let looksLike, let advice):
      "this looks like \(looksLike), not a checkpoint: \(advice)"
    case .noStateDict(let reason):
      "no state dict: \(reason)"
    case .dataFile(let name, let reason):
      "shard '\(name)': \(reason)"
    case .unreadableTensor(let name, let reason):
      "tensor \(name): \(reason)"
    }
  }
}

/// Why a checkpoint could not be read.
package enum CheckpointError: Error, Sendable, Hashable {
  /// The file itself: missing, not readable, empty.
  case file(FileError)
  /// Its contents. `format` is `nil` where they are of no known kind.
  case content(path: String, format: Checkpoint.Format?, FormatError)

  package var kind: FailureKind {
    switch self {
    case .file(let error): error.kind
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

/// Messages quote names of the file, which must not steer the terminal that shows them.
private func printable(_ text: String) -> String {
  String(
    String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
}
