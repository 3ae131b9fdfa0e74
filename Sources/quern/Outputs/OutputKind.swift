import Files
import PackageFormat

/// What a command writes to a file, apart from reports, whose formats are chosen by name.
enum OutputKind {
  case package
  case embeddings
  case onnx
  case program
  case plan

  /// The name's ending that says so.
  var fileExtension: String {
    switch self {
    case .package: "quern"
    case .embeddings: "safetensors"
    case .onnx: "onnx"
    case .program: "py"
    case .plan: "json"
    }
  }

  var description: String {
    switch self {
    case .package: "a Quern package"
    case .embeddings: "a safetensors file"
    case .onnx: "an ONNX model"
    case .program: "a Python program"
    case .plan: "a quantisation plan"
    }
  }

  /// Whether a file's contents are of this kind; what cannot be told by its first bytes is not.
  func recognizes(_ path: String) -> Bool {
    guard let file = try? MappedFile(path: path) else { return false }
    return file.withBytes { bytes in
      switch self {
      case .package: bytes.prefix(PackageReader.magic.count).elementsEqual(PackageReader.magic)
      // The length of a header, and the header, which is a JSON object.
      case .embeddings: bytes.count > 8 && bytes[8] == UInt8(ascii: "{") && bytes[7] == 0
      case .onnx, .program: false
      case .plan: String(decoding: bytes.prefix(1 << 20), as: UTF8.self).contains("quern.plan/")
      }
    }
  }

  /// - Throws: `OutputError` for a name that says another format, and for a file of another kind whose name says nothing.
  func check(_ path: String, option: String) throws(OutputError) {
    // Devices and pipes have no format; what cannot be created says so by itself.
    guard let target = OutputTarget(path: path) else { return }
    // A link has a name, and so has the file that is replaced.
    let endings = [path, OutputTarget.resolved(path)].compactMap { $0.flatMap(Self.fileExtension) }
    if let ending = endings.first(where: { $0.lowercased() != fileExtension }) {
      throw .otherFormat(option: option, path: path, ending: ending, kind: self)
    }
    if case .existing = target, endings.isEmpty, !isEmpty(path), !recognizes(path) {
      throw .otherContents(option: option, path: path, kind: self)
    }
  }

  private func isEmpty(_ path: String) -> Bool {
    do { _ = try MappedFile(path: path) } catch { if case .empty = error { return true } }
    return false
  }

  /// What stands after the last dot of a file's name; `nil` without one, and for a name that only starts with it.
  static func fileExtension(of path: String) -> String? {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
    return String(name[name.index(after: dot)...])
  }
}
