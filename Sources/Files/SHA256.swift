import CCrypto

/// SHA-256 (FIPS 180-4), computed by OpenSSL's functions for it, which cannot fail, with the processor's SHA
/// instructions if it has them.
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

  private var context = SHA256_CTX()

  /// The hash of no bytes.
  package init() { SHA256_Init(&context) }

  /// Appends bytes to those that are hashed.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    SHA256_Update(&context, bytes.baseAddress, bytes.count)
  }

  /// Appends bytes to those that are hashed.
  package mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// The digest of all bytes that were appended.
  package consuming func finalize() -> Digest {
    var digest = [UInt8](repeating: 0, count: SHA256.byteCount)
    SHA256_Final(&digest, &context)
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

extension String {
  /// Whether all characters are digits as `SHA256.Digest.hex` has them.
  package var isLowerCaseHexadecimal: Bool { utf8.allSatisfy("0123456789abcdef".utf8.contains) }
}
