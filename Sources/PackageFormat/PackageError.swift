import Files
import Graphs

/// What can be wrong with a package or with writing one. Offsets count bytes from the start of `part`: of the file for the
/// header and the index, of the uncompressed contents for a section.
package enum PackageError: Error, Hashable, Sendable {
  /// The file cannot be opened, read, created or written.
  case file(FileError)
  /// The file is something else.
  case notAPackage(looksLike: String)
  /// The major version, or a bit of the header's obligations, is one this reader does not know.
  case newerVersion(major: Int, minor: Int)
  case unknownObligations(bits: UInt64)
  /// A section that may not be ignored, of a kind this reader does not know.
  case unknownCriticalSection(entry: Int, kind: UInt8)

  /// The file has another length than its header says: cut short, or with something appended.
  case fileLength(stated: Int, actual: Int)
  /// A field runs past the end of its part.
  case outOfBounds(part: String, ByteCursorError)
  /// Bytes do not have the hash that is stored for them.
  case hashMismatch(part: String, offset: Int)
  /// A padding or reserved byte is not zero.
  case nonzeroPadding(offset: Int)
  /// A field of the header, of an index entry, or of a section has a value it may not have.
  case invalidField(part: String, field: String, offset: Int, problem: String)
  /// A kind of section that every package has is not there.
  case missingSection(kind: String)
  /// The zstd frame of a section is not one that packages may hold, or does not decompress.
  case invalidFrame(part: String, problem: String)
  /// The nodes make no valid graph, or an operator refuses its attributes.
  case graph(GraphError)

  /// What was to be written cannot be stored in a package.
  case cannotStore(String)
}

extension PackageError {
  /// For the exit status.
  package var kind: FailureKind {
    if case .file(let error) = self { error.kind } else { .badData }
  }
}

extension PackageError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .notAPackage(let other): "this is not a quern package; it looks like \(other)"
    case .newerVersion(let major, let minor):
      "the package has format version \(major).\(minor), and this version of quern reads \(FileHeader.major).x; "
        + "use a newer quern, or convert again"
    case .unknownObligations(let bits):
      "the package needs features this version of quern does not have (obligation bits 0x\(String(bits, radix: 16))); "
        + "use a newer quern"
    case .unknownCriticalSection(let entry, let kind):
      "section \(entry) has the kind \(kind), which this version of quern does not know and may not ignore; "
        + "use a newer quern"
    case .fileLength(let stated, let actual):
      "the file has \(actual) bytes, and its header says \(stated): "
        + (actual < stated ? "it was cut short; copy it again" : "something was appended")
    case .outOfBounds(let part, let error): "\(part): \(error)"
    case .hashMismatch(let part, let offset):
      "\(part), at byte \(offset): the bytes do not have the stored SHA-256: the file is damaged; copy it again"
    case .nonzeroPadding(let offset): "the padding byte at \(offset) is not zero: the file is damaged; copy it again"
    case .invalidField(let part, let field, let offset, let problem): "\(part), \(field) at byte \(offset): \(problem)"
    case .missingSection(let kind): "the package has no \(kind) section"
    case .invalidFrame(let part, let problem): "\(part): \(problem)"
    case .graph(let error): "\(error)"
    case .cannotStore(let problem): "cannot be stored in a package: \(problem)"
    }
  }
}
