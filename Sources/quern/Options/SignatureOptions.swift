import ArgumentParser
import Conversion
import Files
import Signing

/// A signature to verify, of the package that a command reads.
struct SignatureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Verify the signature of the package first (OpenSSF Model Signing 1.0): that it was signed under this name, byte "
        + "for byte, with the key of --public-key. If not, the exit status is 1. (default: none is verified)",
      valueName: "file.sig"), completion: .file(extensions: ["sig"]))
  var signature: String?

  @Option(
    help: ArgumentHelp(
      "The signer's public key, in PEM: P-256, P-384 or P-521. Get it from the signer, not with the package.",
      valueName: "key.pem"), completion: .key)
  var publicKey: String?

  mutating func validate() throws {
    if (signature == nil) != (publicKey == nil) {
      throw ValidationError("--signature and --public-key are given together")
    }
  }

  /// Input files, which outputs must not replace.
  var inputs: [String?] { [signature, publicKey] }

  /// The signature to verify; `nil` where none is given.
  ///
  /// - Throws: `FileError` where the key cannot be read; `KeyError` where it cannot be used.
  func request() throws -> SignatureRequest? {
    guard let signature, let publicKey else { return nil }
    return try SignatureRequest(path: signature, key: publicKey)
  }
}

/// A private key, and what decrypts it.
enum SigningKey {
  /// The environment variable with the passphrase.
  static let variable = "QUERN_KEY_PASSPHRASE"

  /// Reads a private key.
  ///
  /// - Parameter passphraseFile: the path of a file whose first line is the passphrase; `nil` for that in the
  ///   environment, if there is one.
  /// - Throws: `FileError` where a file cannot be read; `KeyError` where the key cannot be used.
  static func open(_ path: String, passphraseFile: String?) throws -> PrivateKey {
    let passphrase = try passphraseFile.map(KeyFile.passphrase) ?? Environment.bytes(variable)
    return try PrivateKey(path: path, passphrase: passphrase)
  }
}

/// The file of a signature, which is created before any work is done.
struct SignatureFile {
  private let file: AtomicFile
  private let key: PrivateKey

  /// - Throws: `FileError.cannotCreate` where the file cannot be created.
  init(_ path: String, key: PrivateKey) throws {
    file = try AtomicFile(path: path)
    self.key = key
  }

  /// Signs a file, and writes the signature.
  ///
  /// - Throws: `KeyError` where the key cannot sign; `FileError` where the signature cannot be written.
  func write(_ signed: SignedFile) throws {
    try file.write(try PackageSignature.text(of: signed, key: key))
    try file.commit()
  }

  /// What a command prints about the signature.
  func report(of package: String, _ signed: SignedFile) -> SignatureReport {
    SignatureReport(
      schema: SignatureReport.schema, path: package, name: signed.name, sha256: signed.digest.hex, signature: file.path,
      keySha256: key.publicKey.sha256)
  }
}

/// A signature that was made or verified, as --json prints it.
struct SignatureReport: Encodable {
  static let schema = "quern.signature/1"

  let schema: String
  /// The path of the file that was signed.
  let path: String
  /// The name that was signed.
  let name: String
  /// SHA-256 of the file.
  let sha256: String
  /// The path of the signature.
  let signature: String
  /// SHA-256 of the public key in PEM.
  let keySha256: String
  /// Whether figures were measured, too; `nil` for a signature that was made.
  var measured: Bool?
}
