import Files
import PackageFormat
import PrintableText

/// A problem with a patch, or with making or applying one.
package enum PatchError: Error, Hashable, Sendable {
  /// The patch or the new package cannot be opened, read, created or written.
  case file(FileError)
  /// A package cannot be opened or is damaged.
  case package(path: String, PackageError)
  /// The patch at `path` is refused, or cannot be applied.
  indirect case patch(path: String, PatchError)
  /// The file does not start like a patch; `isPackage` says whether it is a package.
  case notAPatch(isPackage: Bool)
  /// This version does not know the major version.
  case newerVersion(major: Int, minor: Int)
  /// The file does not have the length that its header states.
  case fileLength(stated: Int, actual: Int)
  /// Bytes do not have the hash that is stored for them.
  case hashMismatch(part: String)
  /// A field extends past the end of its part.
  case outOfBounds(part: String, ByteCursorError)
  /// A field has a value that the format does not allow.
  case invalidField(part: String, field: String, problem: String)
  /// The package is not the one that the patch was made for.
  case otherPackage(path: String, expected: PackageIdentity, actual: PackageIdentity)
  /// The contents of the new package are right, but this libzstd compresses them to other bytes. Versions are those of
  /// `ZSTD_versionNumber`.
  case otherCompression(madeWith: Int, here: Int)
  /// The patch is whole, but makes another package than the one that it promises.
  case otherResult(expected: PackageIdentity, actual: PackageIdentity)
  /// No patch can make the new package.
  case cannotMake(String)
  /// Memory to decompress a part is lacking.
  case memory(part: String)
}

/// The hashes that identify a package in a patch.
package struct PackageIdentity: Hashable, Sendable {
  /// The size of the file in bytes.
  package let byteCount: Int
  /// The hash of the whole file.
  package let sha256: SHA256.Digest
  /// The content hash.
  package let contentHash: SHA256.Digest

  package init(byteCount: Int, sha256: SHA256.Digest, contentHash: SHA256.Digest) {
    (self.byteCount, self.sha256, self.contentHash) = (byteCount, sha256, contentHash)
  }

  /// The identity of an open package, for which the whole file is read.
  init(_ reader: PackageReader) {
    self.init(byteCount: reader.byteCount, sha256: reader.sha256(), contentHash: reader.contentHash)
  }

  /// The identity of a package that is laid out for writing.
  init(_ summary: PackageSummary) {
    self.init(byteCount: summary.byteCount, sha256: summary.sha256, contentHash: summary.contentHash)
  }

  fileprivate var text: String { "SHA-256 \(sha256), content hash \(contentHash)" }
}

extension PatchError {
  /// The kind of failure, which decides the exit status.
  package var kind: FailureKind {
    switch self {
    case .file(let error): error.kind
    case .package(_, let error): error.kind
    case .patch(_, let error): error.kind
    case .memory: .noMemory
    default: .badData
    }
  }

  /// The error with the path of the patch, unless it names another file.
  func ofPatch(_ path: String) -> PatchError {
    switch self {
    case .file, .package, .patch, .otherPackage, .cannotMake: self
    case .notAPatch, .newerVersion, .fileLength, .hashMismatch, .outOfBounds, .invalidField, .otherCompression,
      .otherResult, .memory:
      .patch(path: path, self)
    }
  }
}

extension PatchError: CustomStringConvertible, MultilineError {
  package var lines: [String] {
    switch self {
    case .patch(let path, let error): ["\(path): \(error.lines[0])"] + error.lines.dropFirst()
    case .otherPackage(let path, let expected, let actual):
      [
        "\(path): this is not the package that the patch was made for", "  the patch needs: \(expected.text)",
        "  this package:    \(actual.text)",
      ]
    case .otherResult(let expected, let actual):
      [
        "the patch does not make the package that it promises", "  promised: \(expected.text)",
        "  made:     \(actual.text)",
      ]
    default: [description]
    }
  }

  package var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .package(_, .file(let error)): "\(error)"
    case .package(let path, let error): "\(path): \(error)"
    case .patch(let path, let error): "\(path): \(error)"
    case .memory(let part): "\(part): not enough memory to decompress it"
    case .notAPatch(let isPackage): isPackage ? "this is a package, not a patch" : "this is not a quern patch"
    case .newerVersion(let major, let minor):
      "the patch has format version \(major).\(minor), but this version of quern reads \(PatchHeader.major).x; use a "
        + "newer quern"
    case .fileLength(let stated, let actual):
      "the patch has \(actual) bytes, but its header says \(stated): "
        + (actual < stated ? "it was cut short; copy it again" : "something was appended")
    case .hashMismatch(let part):
      "the \(part) of the patch does not have the stored SHA-256: the patch is damaged; copy it again"
    case .outOfBounds(let part, let error): "\(part): \(error)"
    case .invalidField(let part, let field, let problem): "\(part), \(field): \(problem)"
    case .otherPackage, .otherResult: lines.joined(separator: "\n")
    case .otherCompression(let made, let here):
      "the contents of the new package are right, but libzstd \(Self.version(here)) compresses them to other bytes than "
        + "libzstd \(Self.version(made)), with which the patch was made; use a quern with that version, or accept a "
        + "file of other bytes and the same contents with --accept-other-compression"
    case .cannotMake(let problem): "no patch can be made: \(problem)"
    }
  }

  /// A version of libzstd as text: 10504 is 1.5.4.
  private static func version(_ number: Int) -> String { "\(number / 10_000).\(number / 100 % 100).\(number % 100)" }
}
