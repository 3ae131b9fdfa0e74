import Files
import FoundationEssentials

/// A signature of a file by OpenSSF Model Signing 1.0, key method: a sigstore bundle of version 0.3 with a DSSE
/// envelope around an in-toto statement.
package struct PackageSignature: Sendable {
  /// The largest signature that is read, in bytes. A signature of one file takes some 1500.
  package static let maxBytes = 1 << 18

  private static let mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

  /// The path of the file.
  package let path: String
  /// The key that the signature names, by the SHA-256 of its PEM in hexadecimal digits; `nil` in signatures of earlier
  /// versions of model-signing.
  private let hint: String?
  private let payload: [UInt8]
  private let signature: [UInt8]

  // MARK: - Signing

  /// A signature of a file, as the text of a bundle.
  ///
  /// - Throws: `KeyError` where the key cannot sign.
  package static func text(of file: SignedFile, key: PrivateKey) throws -> String {
    let payload = try SignatureStatement.json(file)
    let signature = try key.signature(of: authenticated(payload))
    let bundle = Bundle(
      mediaType: mediaType, verificationMaterial: .init(publicKey: .init(hint: key.publicKey.sha256), tlogEntries: []),
      dsseEnvelope: .init(
        payload: Data(payload).base64EncodedString(), payloadType: SignatureStatement.payloadType,
        signatures: [.init(sig: Data(signature).base64EncodedString(), keyid: "")]))
    return try JSONText.encode(bundle) + "\n"
  }

  /// What is signed: the payload with its type and length (DSSE 1.0, "Signature Definition").
  private static func authenticated(_ payload: [UInt8]) -> [UInt8] {
    let type = SignatureStatement.payloadType
    return Array("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
  }

  // The names of members are those of the specifications.
  private struct Bundle: Encodable {
    struct Key: Encodable { let hint: String }
    struct Material: Encodable {
      let publicKey: Key
      let tlogEntries: [String]
    }
    struct Signature: Encodable { let sig, keyid: String }
    struct Envelope: Encodable {
      let payload, payloadType: String
      let signatures: [Signature]
    }
    let mediaType: String
    let verificationMaterial: Material
    let dsseEnvelope: Envelope
  }

  // MARK: - Verifying

  /// Verifies that a file is what the owner of a key signed: the signature, the statement, the file's name and bytes.
  ///
  /// - Parameters:
  ///   - path: the path of the signature.
  ///   - file: the file that it should be of.
  ///   - filePath: the path of that file, for messages.
  ///   - key: the key of the signer.
  /// - Throws: `FileError` where the signature cannot be read; `SignatureError` where it is malformed, or does not fit
  ///   the file or the key.
  package static func verify(_ path: String, of file: SignedFile, at filePath: String, by key: PublicKey) throws {
    do {
      try PackageSignature(path: path).verify(file, key)
    } catch let problem as SignatureProblem {
      throw SignatureError(path: path, file: filePath, problem: problem)
    }
  }

  /// Reads a bundle.
  ///
  /// - Throws: `FileError` where the file cannot be read; `SignatureProblem` where it is not a bundle with one
  ///   signature.
  private init(path: String) throws {
    let file = try MappedFile(path: path)
    guard file.byteCount <= Self.maxBytes else { throw SignatureProblem.tooLarge }
    self.path = path
    (hint, payload, signature) = try Self.parse(file.withBytes { Array($0) })
  }

  private static func parse(
    _ bytes: [UInt8]
  ) throws(SignatureProblem) -> (hint: String?, payload: [UInt8], signature: [UInt8]) {
    let bundle = try JSONMembers(bytes, "bundle")
    try bundle.expect("mediaType", mediaType)
    try bundle.expectOnly(["mediaType", "verificationMaterial", "dsseEnvelope"])
    let material = try VerificationMaterial(try bundle.members("verificationMaterial"))

    let envelope = try bundle.members("dsseEnvelope")
    try envelope.expectOnly(["payload", "payloadType", "signatures"])
    try envelope.expect("payloadType", SignatureStatement.payloadType)
    let signatures = try envelope.objects("signatures")
    guard signatures.count == 1 else { throw .signatureCount(signatures.count) }
    try signatures[0].expectOnly(["sig", "keyid"])
    _ = try signatures[0].optionalString("keyid")
    return (material.hint, try envelope.base64("payload"), try signatures[0].base64("sig"))
  }

  /// Whether a file is a signature of a model with a key, whatever it is of and whether it verifies.
  package static func isOne(_ file: MappedFile) -> Bool {
    guard file.byteCount <= maxBytes, let (_, payload, _) = try? parse(file.withBytes { Array($0) }),
      let type = try? JSONMembers(payload, "statement").string("predicateType")
    else { return false }
    return type == SignatureStatement.predicateType
  }

  private func verify(_ file: SignedFile, _ key: PublicKey) throws(SignatureProblem) {
    if let hint, hint != key.sha256 { throw .otherKey(stated: hint, given: key.sha256) }
    guard key.verifies(signature, of: Self.authenticated(payload)) else { throw .invalid }
    // Nothing of the payload is read before this.
    try SignatureStatement.check(payload, against: file)
  }
}
