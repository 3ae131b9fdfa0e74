import Files
import PrintableText

/// What is wrong with a signature.
package enum SignatureProblem: Error, Hashable, Sendable {
  /// The file is larger than any signature of one file.
  case tooLarge
  /// The bundle, or the statement in it, is not JSON, ends too early, or has a key twice.
  case json(String)
  /// A member is missing or has a value that the specification does not allow.
  case member(String, String)
  /// The signature is of a kind that the specification knows and quern does not check.
  case unsupported(String)
  /// The bundle has this many signatures, and not one.
  case signatureCount(Int)
  /// The statement has this many subjects, and not one.
  case subjectCount(Int)
  /// The statement is about this many files, and not one.
  case fileCount(Int)

  /// The signature names another key; both in hexadecimal digits.
  case otherKey(stated: String, given: String)
  /// The signature was not made of this statement by this key.
  case invalid
  /// The signature is of a file with another name.
  case otherName(stated: String, actual: String)
  /// The file has other bytes than the one that was signed.
  case otherContents(stated: String, actual: String)

  /// Whether the signature is well-formed and does not fit the file or the key.
  package var isMismatch: Bool {
    switch self {
    case .otherKey, .invalid, .otherName, .otherContents: true
    default: false
    }
  }
}

extension SignatureProblem: JSONFailure {
  package static func truncated(_ error: ByteCursorError) -> Self { .json("\(error)") }

  package static func malformed(field: String, offset: Int, reason: String) -> Self {
    .json("\(field) at byte \(offset): \(reason)")
  }

  package static func limitExceeded(what: String, offset: Int, limit: Int) -> Self {
    .json("more than \(limit) \(what) at byte \(offset)")
  }
}

/// A signature that cannot be read, or does not fit the file or the key.
package struct SignatureError: Error, Hashable, Sendable {
  /// The path of the signature.
  package let path: String
  /// The path of the file that it should belong to.
  package let file: String
  /// What is wrong with it.
  package let problem: SignatureProblem
}

extension SignatureError: CustomStringConvertible {
  package var description: String {
    let (path, file) = (printable(path), printable(file))
    return switch problem {
    case .tooLarge: "\(path): larger than \(PackageSignature.maxBytes) bytes, which no signature of one file is"
    case .json(let reason): "\(path): not a signature: \(printable(reason))"
    case .member(let name, let reason): "\(path): not a signature of a model: '\(name)' \(printable(reason))"
    case .unsupported(let reason): "\(path): \(printable(reason))"
    case .signatureCount(let count): "\(path): has \(count) signatures, and one is expected"
    case .subjectCount(let count): "\(path): the statement has \(count) subjects, and one is expected"
    case .fileCount(let count):
      "\(path): the signature is of \(count) files, and one is expected: sign the package alone"
    case .otherKey(let stated, let given):
      "\(path) was made with another key: it names that with the SHA-256 \(printable(stated)), and the public key has "
        + given
    case .invalid:
      "\(path) does not verify: the statement or the signature was changed, or another key made it; do not trust \(file)"
    case .otherName(let stated, let actual):
      "\(path) is of a file named '\(printable(stated))', and not '\(printable(actual))'; give the file the name that "
        + "was signed"
    case .otherContents(let stated, let actual):
      "\(file) is not the file that was signed: its SHA-256 is \(actual), and that of the signed one \(stated)"
    }
  }
}
