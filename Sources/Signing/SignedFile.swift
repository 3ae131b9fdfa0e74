import Files

/// What a signature says of a file: its name and its contents.
package struct SignedFile: Hashable, Sendable {
  /// The name without its folder.
  package let name: String
  /// SHA-256 of all bytes.
  package let digest: SHA256.Digest

  /// - Parameters:
  ///   - path: the path of the file, which gives the name.
  ///   - digest: SHA-256 of all its bytes.
  package init(path: String, digest: SHA256.Digest) {
    name = path.split(separator: "/").last.map(String.init) ?? path
    self.digest = digest
  }

  /// Reads and hashes a file.
  ///
  /// - Throws: `FileError` where it cannot be read.
  package init(path: String) throws(FileError) {
    self.init(path: path, digest: try MappedFile(path: path).sha256())
  }
}
