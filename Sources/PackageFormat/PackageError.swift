import Files
import Graphs

/// A problem with a package, or with writing one. Offsets count bytes from the start of the file for the header and the
/// index, and from the start of the uncompressed contents for a section.
package enum PackageError: Error, Hashable, Sendable {
  /// The file cannot be opened, read, created or written.
  case file(FileError)
  /// The file does not start like a package; `looksLike` describes the format that it seems to have.
  case notAPackage(looksLike: String)
  /// This reader does not know the major version.
  case newerVersion(major: Int, minor: Int)
  /// The header's obligations, `bits`, have a bit that this reader does not know.
  case unknownObligations(bits: UInt64)
  /// A section that must not be ignored has a kind that this reader does not know.
  case unknownCriticalSection(entry: Int, kind: UInt8)

  /// The file does not have the length that its header states: it was cut short, or something was appended.
  case fileLength(stated: Int, actual: Int)
  /// A field extends past the end of its part.
  case outOfBounds(part: String, ByteCursorError)
  /// Bytes do not have the hash that is stored for them.
  case hashMismatch(part: String, offset: Int)
  /// A padding byte is not zero; `offset` is its offset in the file.
  case nonzeroPadding(offset: Int)
  /// A field of the header, of an index entry, or of a section has a value that the format does not allow.
  case invalidField(part: String, field: String, offset: Int, problem: String)
  /// A section that every package has is missing.
  case missingSection(kind: String)
  /// The zstd frame of a section is not one that the format allows, or cannot be decompressed.
  case invalidFrame(part: String, problem: String)
  /// Memory to decompress a section is lacking.
  case memory(part: String)
  /// The nodes do not form a valid graph, or an operator is unknown or refuses its attributes.
  case graph(GraphError)
  /// The metadata state figures that were measured on another package, or made from another checkpoint or other images.
  case foreignFigures(String)
  /// The metadata state a fidelity report that cannot be read, or that contradicts itself.
  case invalidReport(String)

  /// The package to be written cannot be stored.
  case cannotStore(String)
}

extension PackageError {
  /// The kind of failure, which decides the exit status.
  package var kind: FailureKind {
    switch self {
    case .file(let error): error.kind
    case .memory: .noMemory
    default: .badData
    }
  }
}

extension PackageError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .notAPackage(let other): "this is not a quern package; it looks like \(other)"
    case .newerVersion(let major, let minor):
      "the package has format version \(major).\(minor), but this version of quern reads \(FileHeader.major).x; "
        + "use a newer quern, or convert again"
    case .unknownObligations(let bits):
      "the package needs features that this version of quern does not have (obligation bits "
        + "0x\(String(bits, radix: 16))); use a newer quern"
    case .unknownCriticalSection(let entry, let kind):
      "section \(entry) has the kind \(kind), which this version of quern does not know but must not ignore; "
        + "use a newer quern"
    case .fileLength(let stated, let actual):
      "the file has \(actual) bytes, but its header says \(stated): "
        + (actual < stated ? "it was cut short; copy it again" : "something was appended")
    case .outOfBounds(let part, let error): "\(part): \(error)"
    case .hashMismatch(let part, let offset):
      "\(part), at byte \(offset): the bytes do not have the stored SHA-256: the file is damaged; copy it again"
    case .nonzeroPadding(let offset): "the padding byte at \(offset) is not zero: the file is damaged; copy it again"
    case .invalidField(let part, let field, let offset, let problem): "\(part), \(field) at byte \(offset): \(problem)"
    case .missingSection(let kind): "the package has no \(kind) section"
    case .invalidFrame(let part, let problem): "\(part): \(problem)"
    case .memory(let part): "\(part): not enough memory to decompress it"
    case .graph(let error): "\(error)"
    case .foreignFigures(let problem):
      "the figures that the package states are not of this package: \(problem). Its metadata are those of another package, or "
        + "its weights were changed afterwards; convert again, or verify it"
    case .invalidReport(let problem):
      "the fidelity report in the package is not valid: \(problem). It was changed after it was written, or is that of "
        + "a later version of quern; convert again"
    case .cannotStore(let problem): "cannot be stored in a package: \(problem)"
    }
  }
}
