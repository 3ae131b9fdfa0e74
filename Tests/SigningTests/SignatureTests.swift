import Files
import Foundation
import Signing
import Testing

/// Signatures of model-signing, our own, and spoiled ones. `scripts/differential/compare_signatures.py` has more of them.
@Suite struct SignatureTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let package = root.appending(path: "fixtures/packages/version-1.0-converted.quern").path
  static func fixture(_ name: String) -> String { root.appending(path: "fixtures/signatures/\(name)").path }

  static func problem(
    _ signature: String, of file: SignedFile, by key: String = "p256"
  ) throws -> SignatureProblem? {
    let key = try PublicKey(path: fixture("\(key).pub"))
    do {
      try PackageSignature.verify(signature, of: file, at: package, by: key)
      return nil
    } catch let error as SignatureError {
      return error.problem
    }
  }

  static func temporary(_ data: Data) throws -> String {
    let url = FileManager.default.temporaryDirectory.appending(path: "quern-\(UUID().uuidString).sig")
    try data.write(to: url)
    return url.path
  }

  /// model-signing names a file that it signs alone by a dot, and one in a folder by its name.
  @Test(arguments: [("folder.sig", "p256"), ("file.sig", "p384")])
  func signaturesOfModelSigningVerify(signature: String, key: String) throws {
    let file = try SignedFile(path: Self.package)
    #expect(try Self.problem(Self.fixture(signature), of: file, by: key) == nil)
    let renamed = SignedFile(path: "a/renamed.quern", digest: file.digest)
    let problem = try Self.problem(Self.fixture(signature), of: renamed, by: key)
    #expect(problem == (key == "p256" ? .otherName(stated: file.name, actual: "renamed.quern") : nil))
    let other = SignedFile(path: Self.package, digest: SHA256.hash([]))
    #expect(
      try Self.problem(Self.fixture(signature), of: other, by: key)
        == .otherContents(stated: file.digest.hex, actual: other.digest.hex))
  }

  @Test(arguments: [("p256", nil), ("p384", nil), ("encrypted", "quern")])
  func ownSignaturesVerify(name: String, passphrase: String?) throws {
    let key = try PrivateKey(path: Self.fixture("\(name).pem"), passphrase: passphrase.map { Array($0.utf8) })
    let file = try SignedFile(path: Self.package)
    let path = try Self.temporary(Data(try PackageSignature.text(of: file, key: key).utf8))
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(try Self.problem(path, of: file, by: name == "p384" ? name : "p256") == nil)
    let other = try PublicKey(path: Self.fixture("other.pub"))
    #expect(
      try Self.problem(path, of: file, by: "other")
        == .otherKey(stated: key.publicKey.sha256, given: other.sha256))
  }

  @Test func everyTruncationAndEveryFlipIsNoticed() throws {
    let key = try PrivateKey(path: Self.fixture("p256.pem"))
    let file = try SignedFile(path: Self.package)
    let text = Array(try PackageSignature.text(of: file, key: key).utf8.dropLast())
    let path = try Self.temporary(Data())
    defer { try? FileManager.default.removeItem(atPath: path) }
    for length in stride(from: 1, to: text.count, by: 7) {
      try Data(text.prefix(length)).write(to: URL(filePath: path))
      let problem = try #require(try Self.problem(path, of: file), "\(length) bytes")
      #expect(!problem.isMismatch, "\(length) bytes: \(problem)")
    }
    for bit in stride(from: 0, to: 8 * text.count, by: 5) {
      var spoiled = text
      spoiled[bit / 8] ^= 1 << UInt8(bit % 8)
      try Data(spoiled).write(to: URL(filePath: path))
      #expect(try Self.problem(path, of: file) != nil, "bit \(bit)")
    }
  }

  static func problem(of body: () throws -> Any) -> KeyError.Problem? {
    do { _ = try body() } catch { return (error as? KeyError)?.problem }
    return nil
  }

  @Test func keysThatCannotBeUsed() {
    func secret(_ name: String, _ passphrase: String? = nil) -> KeyError.Problem? {
      Self.problem { try PrivateKey(path: Self.fixture(name), passphrase: passphrase.map { Array($0.utf8) }) }
    }
    func open(_ name: String) -> KeyError.Problem? { Self.problem { try PublicKey(path: Self.fixture(name)) } }
    #expect(secret("encrypted.pem") == .encrypted)
    #expect(secret("encrypted.pem", "wrong") == .wrongPassphrase && secret("encrypted.pem", "") == .wrongPassphrase)
    #expect(secret("secp256k1.pem") == .otherCurve && open("secp256k1.pub") == .otherCurve)
    #expect(secret("p256.pub") == .otherHalf(isPrivate: true) && open("p256.pem") == .otherHalf(isPrivate: false))
    #expect(secret("file.sig") == .notFound(isPrivate: true) && open("file.sig") == .notFound(isPrivate: false))
    #expect(throws: FileError.self) { try PublicKey(path: "/nowhere") }
  }
}
