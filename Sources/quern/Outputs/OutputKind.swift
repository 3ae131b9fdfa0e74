import Checkpoints
import Files
import PackageDelta
import PackageFormat
import Signing

/// The kinds of files that commands write, apart from reports, whose format follows from their name.
enum OutputKind {
  case package
  case checkpoint
  case embeddings(EmbeddingFormat)
  /// The JSON file next to embeddings, whose name follows from theirs.
  case embeddingNames
  case onnx
  case program
  case plan
  case patch
  case debian
  case signature

  /// The file extension of this kind, without the dot.
  var fileExtension: String {
    switch self {
    case .package: "quern"
    case .checkpoint: "safetensors"
    case .embeddings(let format): format.rawValue
    case .embeddingNames: "json"
    case .onnx: "onnx"
    case .program: "py"
    case .plan: "json"
    case .patch: "qpatch"
    case .debian: "deb"
    case .signature: "sig"
    }
  }

  /// The kind with an article, for messages.
  var description: String {
    switch self {
    case .package: "a Quern package"
    case .checkpoint, .embeddings(.safetensors): "a safetensors file"
    case .embeddings(let format): "embeddings as \(format.rawValue)"
    case .embeddingNames: "a file with the names of embedded images"
    case .onnx: "an ONNX model"
    case .program: "a Python program"
    case .plan: "a quantisation plan"
    case .patch: "a patch of a package"
    case .debian: "a Debian package"
    case .signature: "a signature"
    }
  }

  /// Whether a file's content is of this kind; `false` for kinds that cannot be recognised by their first bytes.
  func recognizes(_ path: String) -> Bool {
    guard let file = try? MappedFile(path: path) else { return false }
    return file.withBytes { bytes in
      switch self {
      case .package: bytes.prefix(PackageReader.magic.count).elementsEqual(PackageReader.magic)
      // A safetensors file starts with the length of its header in eight bytes; the header is a JSON object.
      case .checkpoint, .embeddings(.safetensors): bytes.count > 8 && bytes[8] == UInt8(ascii: "{") && bytes[7] == 0
      case .embeddings(.npy): NumpyArray.isOne(file)
      case .embeddingNames: EmbeddingWriter.isCompanion(file)
      case .embeddings, .onnx, .program: false
      case .patch: bytes.prefix(PatchApplier.magic.count).elementsEqual(PatchApplier.magic)
      case .debian: bytes.prefix(8).elementsEqual("!<arch>\n".utf8)
      case .signature: String(decoding: bytes.prefix(4096), as: UTF8.self).contains(PackageSignature.mark)
      case .plan: String(decoding: bytes.prefix(1 << 20), as: UTF8.self).contains("quern.plan/")
      }
    }
  }

  /// Checks that a file of this kind may be written to a path.
  ///
  /// - Throws: `OutputError.otherFormat` for a name with the extension of another format; `.otherContents` for an
  ///   existing file of another kind whose name has no extension; `FileError` where the system fails.
  func check(_ path: String, option: String) throws {
    // Devices and pipes have no format. A file that cannot be created is reported when it is created.
    guard let target = try OutputTarget(path: path) else { return }
    // Both the name of a link and the name of the file that it leads to count.
    let endings = [path, OutputTarget.resolved(path)].compactMap { $0.flatMap(Self.fileExtension) }
    if let ending = endings.first(where: { $0.lowercased() != fileExtension }) {
      throw OutputError.otherFormat(option: option, path: path, ending: ending, kind: self)
    }
    // The user did not choose the name of a file with names, so its extension says nothing about its content.
    if case .existing = target, endings.isEmpty || isUnnamed, !isPlaceholder(path), !recognizes(path) {
      throw OutputError.otherContents(option: option, path: path, kind: self)
    }
  }

  private var isUnnamed: Bool { if case .embeddingNames = self { true } else { false } }

  /// Whether a file has no content of its own, which writing to it would lose: it is empty, or a Git LFS pointer.
  private func isPlaceholder(_ path: String) -> Bool {
    do { _ = try MappedFile(path: path) } catch {
      switch error {
      case .empty, .lfsPointer: return true
      default: return false
      }
    }
    return false
  }

  /// The part of a file's name after its last dot; `nil` without a dot, and for a name whose only dot comes first.
  static func fileExtension(of path: String) -> String? {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
    return String(name[name.index(after: dot)...])
  }
}
