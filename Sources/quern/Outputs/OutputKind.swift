import Checkpoints
import Conversion
import DebianPackages
import Files
import ModelExport
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

  /// What a file must be so that a new one replaces it, with an article, for messages.
  var replaceable: String {
    switch self {
    case .checkpoint: "a checkpoint that was whitened"
    case .embeddings(.safetensors): "a safetensors file with embeddings and the names of their images"
    case .embeddings(let format): "embeddings of unit length as \(format.rawValue)"
    case .onnx: "an ONNX model that was exported by quern"
    case .program: "a program of 'quern golden'"
    case .debian: "a Debian package of weights"
    case .signature: "a signature of a model by a key"
    case .package, .embeddingNames, .plan, .patch: description
    }
  }

  /// Whether a file is of this kind by its content, as this version or an earlier one writes it.
  private func recognizes(_ file: MappedFile) -> Bool {
    switch self {
    case .package: file.withBytes { $0.starts(with: PackageReader.magic) }
    case .checkpoint: WhitenedCheckpoint.isOne(file)
    case .embeddings(let format): EmbeddingFile.isPlausible(file, as: format)
    case .embeddingNames: EmbeddingWriter.isCompanion(file)
    case .onnx: ONNXExporter.isExport(file)
    case .program: GoldenProgram.isOne(file)
    case .plan: StatedMembers(file)?.schema?.hasPrefix("quern.plan/") == true
    case .patch: file.withBytes { $0.starts(with: PatchApplier.magic) }
    case .debian:
      file.withBytes { DebianPackage.control(of: $0) }?.contains("\nDescription: int8 weights of ") == true
    case .signature: PackageSignature.isOne(file)
    }
  }

  /// Checks that a file of this kind may be written to a path.
  ///
  /// - Parameter isNamed: whether the user gave the path, rather than another one that it follows from.
  /// - Throws: `OutputError.otherFormat` for a name with the extension of another format; `.otherContents` for an
  ///   existing file of another kind, `.unreadable` for one whose kind cannot be told; `FileError` where the system
  ///   fails.
  func check(_ path: String, option: String, isNamed: Bool) throws {
    // Devices, pipes and files that the shell has opened have no format. A file that cannot be created is reported when
    // it is created.
    guard try OutputTarget(path: path) != nil else { return }
    // Both the name of a link and the name of the file that it leads to count.
    let endings = [path, try OutputTarget.followed(path)].compactMap(Self.fileExtension)
    if let ending = endings.first(where: { $0.lowercased() != fileExtension }) {
      throw OutputError.otherFormat(option: option, path: path, ending: ending, kind: self)
    }
    guard let file = try Self.replaced(by: path, option: option), !recognizes(file) else { return }
    throw OutputError.otherContents(option: option, path: path, expected: replaceable, isNamed: isNamed)
  }

  /// The file that an output will replace; `nil` if there is none, or none that has a content of its own: it is empty,
  /// or a Git LFS pointer.
  ///
  /// - Throws: `OutputError.unreadable` where it may not be read; `FileError` where the system fails.
  static func replaced(by path: String, option: String) throws -> MappedFile? {
    guard case .existing? = try OutputTarget(path: path) else { return nil }
    do throws(FileError) { return try MappedFile(path: path) } catch {
      switch error {
      case .empty, .lfsPointer, .notFound: return nil
      case .cannotOpen where error.kind == .missingInput:
        throw OutputError.unreadable(option: option, error)
      default: throw error
      }
    }
  }

  /// The part of a file's name after its last dot; `nil` without a dot, and for a name whose only dot comes first.
  static func fileExtension(of path: String) -> String? {
    // By bytes, as a mark that combines with a dot may follow it.
    let name = path.utf8.split(separator: UInt8(ascii: "/")).last ?? ""[...].utf8
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot != name.startIndex else { return nil }
    return String(Substring(name[name.index(after: dot)...]))
  }
}
