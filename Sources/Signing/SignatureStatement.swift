import Files
import FoundationEssentials

/// The statement that is signed: an in-toto Statement of version 1 whose predicate lists one file (OpenSSF Model
/// Signing 1.0, sections 5 and 6).
enum SignatureStatement {
  static let payloadType = "application/vnd.in-toto+json"
  static let type = "https://in-toto.io/Statement/v1"
  static let predicateType = "https://model_signing/signature/v1.0"

  /// The statement about a file as JSON. The same file gives the same bytes.
  static func json(_ file: SignedFile) throws -> [UInt8] {
    // The digest of the whole model is the hash of the digests of its files (section 6.5.1).
    let root = SHA256.hash(file.digest.bytes).hex
    let statement = Statement(
      _type: type, subject: [.init(name: file.name, digest: ["sha256": root])], predicateType: predicateType,
      predicate: .init(
        resources: [.init(name: file.name, digest: file.digest.hex, algorithm: "sha256")],
        serialization: .init(method: "files", hash_type: "sha256", allow_symlinks: false)))
    return Array(try JSONText.encode(statement).utf8)
  }

  /// Reads a statement whose signature is valid, and compares it with a file.
  ///
  /// - Throws: `SignatureProblem` where the statement is malformed or of another file.
  static func check(_ payload: [UInt8], against file: SignedFile) throws(SignatureProblem) {
    let statement = try JSONMembers(payload, "statement")
    try statement.expect("_type", type)
    try statement.expect("predicateType", predicateType)
    try statement.expectOnly(["_type", "subject", "predicateType", "predicate"])
    let subjects = try statement.objects("subject")
    guard subjects.count == 1 else { throw .subjectCount(subjects.count) }
    guard try !subjects[0].string("name").isEmpty else { throw .member("subject[0].name", "is empty") }
    let root = try subjects[0].members("digest").string("sha256")

    let predicate = try statement.members("predicate")
    try predicate.expectOnly(["resources", "serialization"])
    let ignored = try ignoredPaths(try predicate.members("serialization"))
    let resources = try predicate.objects("resources")
    guard resources.count == 1 else { throw .fileCount(resources.count) }
    // Resources and subjects may have other members, which verifiers ignore (section 5.2.1).
    let resource = resources[0]
    try resource.expect("algorithm", "sha256")
    let (name, digest) = (try resource.string("name"), try resource.string("digest"))
    guard let bytes = [UInt8](hexadecimal: digest), let stated = SHA256.Digest(bytes: bytes) else {
      throw .member("resources[0].digest", "is no SHA-256 in lower-case hexadecimal digits")
    }
    guard SHA256.hash(stated.bytes).hex == root else {
      throw .member("subject[0].digest", "is not that of the files that are listed")
    }
    // model-signing calls a single file by the path from itself, and the specification by its name (section 6.1.2).
    guard name == "." || name.utf8.elementsEqual(file.name.utf8) else {
      throw .otherName(stated: name, actual: file.name)
    }
    guard !ignored.contains(name) else {
      throw .member("serialization.ignore_paths", "leaves out the file that the signature is of")
    }
    guard stated == file.digest else { throw .otherContents(stated: digest, actual: file.digest.hex) }
  }

  /// Checks how the files were hashed (section 5.2.2), and returns what was left out.
  private static func ignoredPaths(_ serialization: JSONMembers) throws(SignatureProblem) -> IgnoredPaths {
    guard try serialization.string("method") == "files" else {
      throw .unsupported("the signature is of parts of files (serialization.method), which quern does not check")
    }
    guard try serialization.string("hash_type") == "sha256" else {
      throw .unsupported("the file was not hashed by SHA-256 (serialization.hash_type), and quern checks no other hash")
    }
    try serialization.expectOnly(["method", "hash_type", "allow_symlinks", "ignore_paths"])
    _ = try serialization.bool("allow_symlinks")
    return try IgnoredPaths(serialization, "ignore_paths")
  }

  // The names of members are those of the specifications.
  // swift-format-ignore: AlwaysUseLowerCamelCase, NoLeadingUnderscores
  private struct Statement: Encodable {
    struct Subject: Encodable {
      let name: String
      let digest: [String: String]
    }
    struct Resource: Encodable { let name, digest, algorithm: String }
    struct Serialization: Encodable {
      let method, hash_type: String
      let allow_symlinks: Bool
    }
    struct Predicate: Encodable {
      let resources: [Resource]
      let serialization: Serialization
    }
    let _type: String
    let subject: [Subject]
    let predicateType: String
    let predicate: Predicate
  }
}

extension [UInt8] {
  /// The bytes that lower-case hexadecimal digits stand for; `nil` for other text.
  fileprivate init?(hexadecimal text: String) {
    let digits = text.utf8.map { digit -> UInt8? in
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
      default: nil
      }
    }.compactMap(\.self)
    guard digits.count == text.utf8.count, digits.count % 2 == 0 else { return nil }
    self = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}
