import Fidelity
import Files
import PackageFormat
import Signing

/// A signature that a package should have.
package struct SignatureRequest: Sendable {
  /// The path of the signature.
  private let path: String
  /// The key of the signer.
  private let key: PublicKey

  /// - Parameters:
  ///   - path: the path of the signature.
  ///   - key: the path of the signer's public key, in PEM.
  /// - Throws: `FileError` where the key cannot be read; `KeyError` where it cannot be used.
  package init(path: String, key: String) throws {
    self.path = path
    self.key = try PublicKey(path: key)
  }

  /// Verifies the signature of a file.
  ///
  /// - Parameter filePath: the path of the file, for messages.
  /// - Throws: `FileError` where the signature cannot be read; `SignatureError` where it is malformed, or does not fit
  ///   the file or the key.
  package func verify(_ file: SignedFile, at filePath: String) throws -> FidelityReport.Signature {
    try PackageSignature.verify(path, of: file, at: filePath, by: key)
    return FidelityReport.Signature(path: path, keySHA256: key.sha256)
  }
}

/// A package that may be signed: every hash is right, it can run, and the figures that it states are its own.
package struct SignablePackage: Sendable {
  /// Its name and contents.
  package let file: SignedFile
  /// What whoever signs it should know, such as that it failed its gates.
  package let warnings: [String]

  /// Opens and checks a package.
  ///
  /// - Parameter threads: how many threads verify hashes.
  /// - Throws: `ConversionError.package` where the file is not a package, is damaged, cannot run, or states figures of
  ///   another one or a report that is not valid.
  package init(path: String, threads: Int) throws {
    let reader = try PackageReader.opening(path)
    file = SignedFile(path: path, digest: reader.sha256())
    try reader.check(threads: threads)
    try reader.checkRuns(threads: threads)
    let metadata = try reader.statedMetadata()
    let binding = metadata?.binding(contentHash: reader.contentHash)
    if let problem = binding?.problem { throw ConversionError.package(path: path, .foreignFigures(problem)) }
    warnings =
      switch (metadata?.fidelity?.passed, binding?.owner) {
      case (nil, _): ["\(path) states no fidelity"]
      case (false, _): ["\(path) states that it failed its gates"]
      case (true, .thisPackage): []
      case (true, _): ["the figures of \(path) name no package that they were measured on"]
      }
  }
}
