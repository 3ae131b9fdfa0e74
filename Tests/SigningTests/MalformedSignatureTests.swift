import CSigning
import Files
import Foundation
import Signing
import Testing

/// An entry of a log as sigstore defines it.
private let entry = """
  {"logIndex":"1","logId":{"keyId":"AAAA"},"kindVersion":{"kind":"dsse","version":"0.0.1"},"integratedTime":"1",
  "inclusionPromise":{"signedEntryTimestamp":"AAAA"},"canonicalizedBody":"AAAA","inclusionProof":{"logIndex":"1",
  "rootHash":"AAAA","treeSize":"2","hashes":["AAAA"],"checkpoint":{"envelope":"x"}}}
  """

/// Bundles and statements of other forms. What model-signing refuses is refused, too.
extension SignatureTests {
  private static func statement(of file: SignedFile) -> String {
    """
    {"_type":"https://in-toto.io/Statement/v1","predicateType":"https://model_signing/signature/v1.0",
    "subject":[{"name":"model","digest":{"sha256":"\(SHA256.hash(file.digest.bytes).hex)"}}],
    "predicate":{"resources":[{"name":"\(file.name)","digest":"\(file.digest.hex)","algorithm":"sha256"}],
    "serialization":{"method":"files","hash_type":"sha256","allow_symlinks":false}}}
    """
  }

  /// A bundle around a payload that the key p256 signs.
  private static func bundle(_ payload: String) throws -> String {
    let type = "application/vnd.in-toto+json"
    let signed = Array("DSSEv1 \(type.utf8.count) \(type) \(payload.utf8.count) \(payload)".utf8)
    let pem = try Data(contentsOf: URL(filePath: fixture("p256.pem")))
    var status = quern_key_usable
    let read = pem.withUnsafeBytes { quern_private_key($0.baseAddress, $0.count, nil, 0, &status) }
    let key = try #require(read)
    defer { quern_key_free(key) }
    var signature = [UInt8](repeating: 0, count: 256)
    let count = quern_key_sign(key, signed, signed.count, &signature, signature.count)
    return """
      {"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",
      "verificationMaterial":{"publicKey":{"hint":""},"tlogEntries":[]},
      "dsseEnvelope":{"payload":"\(Data(payload.utf8).base64EncodedString())","payloadType":"\(type)",
      "signatures":[{"sig":"\(Data(signature.prefix(count)).base64EncodedString())","keyid":""}]}}
      """
  }

  private static func problem(ofBundle text: String) throws -> SignatureProblem? {
    let path = try temporary(Data(text.utf8))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try problem(path, of: SignedFile(path: package))
  }

  /// What is wrong with a signed statement in which one text is replaced by another.
  private static func problem(ofStatementWith new: String, for old: String) throws -> SignatureProblem? {
    let text = statement(of: try SignedFile(path: package))
    try #require(text.contains(old))
    return try problem(ofBundle: try bundle(text.replacing(old, with: new)))
  }

  /// What is wrong with a bundle in which one text is replaced by another.
  private static func problem(ofBundleWith new: String, for old: String) throws -> SignatureProblem? {
    let text = try bundle(statement(of: try SignedFile(path: package)))
    try #require(text.contains(old))
    return try problem(ofBundle: text.replacing(old, with: new))
  }

  @Test(
    arguments: [
      ("\"model\"", "\"another name\""), (":false", ":true"), (":false", ":false,\"ignore_paths\":[]"),
      (":false", ":false,\"ignore_paths\":[\".git\", \"..\", \"a/b\", \"version-1.0-converted.quern/a\"]"),
      ("\"algorithm\"", "\"uri\":\"https://example.org\",\"algorithm\""),
      ("\"model\"", "\"model\",\"uri\":\"https://example.org\""), ("{\"sha256\"", "{\"sha512\":\"00\",\"sha256\""),
    ])
  func otherStatementsVerify(old: String, new: String) throws {
    #expect(try Self.problem(ofStatementWith: new, for: old) == nil)
  }

  @Test(
    arguments: [
      "7", "null", "\"m\"", "{}", "{\"version-1.0-converted.quern\":1}", "[1]", "[null]", "[\"\"]", "[\".\"]",
      "[\"./\"]",
      "[\"version-1.0-converted.quern\"]", "[\"a\", \"./version-1.0-converted.quern/\"]", "[\"/a\"]", "[\"../a\"]",
      "[\"a/../b\"]",
    ])
  func ignoredPathsThatAreNone(paths: String) throws {
    let problem = try Self.problem(ofStatementWith: ":false,\"ignore_paths\":\(paths)", for: ":false")
    #expect(problem?.isMismatch == false)
  }

  @Test(
    arguments: [
      (",\"allow_symlinks\":false", ""), (":false", ":null"), (":false", ":\"false\""), (":false", ":0"),
      (":false", ":false,\"shard_size\":1"), (":false", ":false,\"other\":1"), ("{\"_type\"", "{\"other\":1,\"_type\""),
      ("{\"resources\"", "{\"other\":1,\"resources\""), ("[{\"name\":\"model\"", "[1,{\"name\":\"model\""),
      ("\"algorithm\"", "\"uri\":01,\"algorithm\""), ("\"algorithm\"", "\"uri\":1.,\"algorithm\""),
      ("\"algorithm\"", "\"uri\":-.5,\"algorithm\""), ("\"algorithm\"", "\"uri\":1.e3,\"algorithm\""),
    ])
  func otherStatementsAreNone(old: String, new: String) throws {
    let problem = try Self.problem(ofStatementWith: new, for: old)
    #expect(problem?.isMismatch == false)
  }

  @Test(
    arguments: [
      (",\"tlogEntries\":[]", ""), ("[]}", "[\(entry)]}"), ("[]}", "[],\"timestampVerificationData\":{}}"),
      ("[]}", "[],\"timestampVerificationData\":null}"),
      ("[]}", "[],\"timestampVerificationData\":{\"rfc3161Timestamps\":[]}}"),
      ("[]}", "[],\"timestampVerificationData\":{\"rfc3161Timestamps\":[{\"signedTimestamp\":\"AAAA\"}]}}"),
      ("{\"hint\":\"\"}", "{\"rawBytes\":\"AAAA\",\"keyDetails\":\"PKIX_ECDSA_P256_SHA_256\"}"),
      (",\"keyid\":\"\"", ""), ("\"keyid\":\"\"", "\"keyid\":null"),
    ])
  func otherBundlesVerify(old: String, new: String) throws {
    #expect(try Self.problem(ofBundleWith: new, for: old) == nil)
  }

  @Test(
    arguments: [
      ("bundle.v0.3+json", "bundle+json;version=0.3"), ("bundle.v0.3+json", "bundle+json;version=0.2"),
      ("\"hint\"", "\"other\":1,\"hint\""), (":[]}", ":null}"), (":[]}", ":\"x\"}"), (":[]}", ":1}"), (":[]}", ":-.5}"),
      (":[]}", ":[1]}"), (":[]}", ":[{}]}"), (":[]}", ":[\(entry.replacing("\"AAAA\"", with: "\"A\""))]}"),
      (":[]}", ":[\(entry.replacing("{\"logIndex\"", with: "{\"other\":1,\"logIndex\""))]}"),
      (":[]}", ":[\(entry.replacing("\"2\"", with: "\"1\""))]}"),
      (":[]}", ":[\(entry.replacing("\"1\"", with: "1"))]}"),
      (":[]}", ":[],\"timestampVerificationData\":1}"), (":[]}", ":[],\"timestampVerificationData\":{\"other\":1}}"),
      (":[]}", ":[],\"timestampVerificationData\":{\"rfc3161Timestamps\":[{}]}}"), (":[]}", ":[],\"other\":1}"),
      ("\"keyid\":\"\"", "\"keyid\":1"), ("\"keyid\":\"\"", "\"keyid\":\"\",\"other\":1"),
    ])
  func otherBundlesAreNone(old: String, new: String) throws {
    let problem = try Self.problem(ofBundleWith: new, for: old)
    #expect(problem?.isMismatch == false)
  }

  @Test func theAlphabetForAddressesIsRefused() throws {
    let text = Self.statement(of: try SignedFile(path: Self.package)).replacing("\"model\"", with: "\"~?>~?>\"")
    let payload = Data(text.utf8).base64EncodedString()
    let other = payload.replacing("+", with: "-").replacing("/", with: "_")
    let bundle = try Self.bundle(text)
    #expect(try Self.problem(ofBundle: bundle) == nil && other != payload)
    let problem = try Self.problem(ofBundle: bundle.replacing(payload, with: other))
    #expect(problem == .member("bundle.dsseEnvelope.payload", "is not in base 64"))
  }

  /// What is wrong with a file as a public key.
  private static func problem(ofKey text: String) throws -> KeyError.Problem? {
    let path = try temporary(Data(text.utf8))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return problem { try PublicKey(path: path) }
  }

  @Test func aFileHoldsOnePublicKey() throws {
    func text(_ name: String) throws -> String { try String(contentsOfFile: Self.fixture(name), encoding: .utf8) }
    let (key, secret, other) = (try text("p256.pub"), try text("p256.pem"), try text("p384.pub"))
    for same in [key.replacing("\n", with: "\r\n"), "text\n" + key, key + "\n \t\r\n", String(key.dropLast())] {
      #expect(try Self.problem(ofKey: same) == nil, "\(same)")
    }
    let block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    let others = [
      secret + key, key + secret, block + key, key + block, key + other, key + key, key + "text\n", key + "\0",
    ]
    for more in others {
      #expect(try Self.problem(ofKey: more) == .notAlone, "\(more)")
    }
    #expect(try Self.problem(ofKey: "-----BEGIN \n" + key) == .notAlone)
    #expect(try Self.problem(ofKey: String(key.dropLast(20))) == .notFound(isPrivate: false))
  }

  @Test func aPublicKeyIsInDER() throws {
    let key = try String(contentsOfFile: Self.fixture("p256.pub"), encoding: .utf8)
    let lines = key.split(separator: "\n")
    let der = try #require(Data(base64Encoded: lines.dropFirst().dropLast().joined()))
    func pem(_ der: Data) -> String { "\(lines[0])\n\(der.base64EncodedString())\n\(lines[lines.count - 1])\n" }
    #expect(try Self.problem(ofKey: pem(der)) == nil)
    #expect(try Self.problem(ofKey: pem(der + Data([0, 0]))) == .notFound(isPrivate: false))
    // The length of the whole, in one byte more than it needs.
    #expect(try Self.problem(ofKey: pem(der.prefix(1) + Data([0x81]) + der.dropFirst())) == .notFound(isPrivate: false))
  }
}
