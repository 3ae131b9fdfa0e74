import CCrypto

/// SHA-256 (FIPS 180-4), computed by OpenSSL, which uses the processor's SHA instructions if it has them.
package struct SHA256: ~Copyable {
  /// The result of hashing.
  package struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// 32 bytes.
    package let bytes: [UInt8]

    /// `nil` unless there are 32 bytes.
    package init?(bytes: some Sequence<UInt8>) {
      self.bytes = Array(bytes)
      guard self.bytes.count == SHA256.byteCount else { return nil }
    }

    fileprivate init(exactly bytes: [UInt8]) { self.bytes = bytes }

    /// 64 lower-case hexadecimal digits.
    package var hex: String {
      let digits = Array("0123456789abcdef".utf8)
      var text: [UInt8] = []
      text.reserveCapacity(2 * bytes.count)
      for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
      }
      return String(decoding: text, as: UTF8.self)
    }

    package var description: String { hex }
  }

  /// The size of a digest in bytes.
  package static let byteCount = 32

  private let context: OpaquePointer

  /// The hash of no bytes. Traps if OpenSSL provides no SHA-256.
  package init() {
    // This fails only if memory is exhausted or an administrator has disabled SHA-256 itself.
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      fatalError("OpenSSL provides no SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Appends bytes to those that are hashed.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1, "OpenSSL's SHA-256 failed")
  }

  /// Appends bytes to those that are hashed.
  package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// The digest of all bytes that were appended.
  package consuming func finalize() -> Digest {
    var digest = [UInt8](repeating: 0, count: SHA256.byteCount)
    precondition(EVP_DigestFinal_ex(context, &digest, nil) == 1, "OpenSSL's SHA-256 failed")
    return Digest(exactly: digest)
  }

  /// The digest of `bytes`.
  package static func hash(_ bytes: UnsafeRawBufferPointer) -> Digest {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }

  /// The digest of `bytes`.
  package static func hash(_ bytes: [UInt8]) -> Digest { bytes.withUnsafeBytes { hash($0) } }
}
