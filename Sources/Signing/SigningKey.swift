import CSigning
import Files

/// A private key, which makes signatures.
package final class PrivateKey: @unchecked Sendable {
  // Not changed after initialisation; libcrypto's keys may be used by several threads at once.
  private let key: OpaquePointer
  /// The public key that belongs to it.
  package let publicKey: PublicKey

  /// Reads a key in PEM.
  ///
  /// - Parameters:
  ///   - path: the path of the file.
  ///   - passphrase: what decrypts an encrypted key; `nil` where there is none.
  /// - Throws: `FileError` where the file cannot be read; `KeyError` where it holds no key that can be used.
  package init(path: String, passphrase: [UInt8]? = nil) throws {
    let pem = try KeyFile.read(path)
    var status = quern_key_usable
    let key = pem.withUnsafeBytes { pem in
      (passphrase ?? []).withUnsafeBytes { secret in
        // An empty array has no address, but an empty passphrase is one.
        let empty: UInt8 = 0
        return withUnsafePointer(to: empty) { placeholder in
          let text = passphrase == nil ? nil : secret.baseAddress ?? UnsafeRawPointer(placeholder)
          return quern_private_key(pem.baseAddress, pem.count, text, secret.count, &status)
        }
      }
    }
    guard let key else { throw KeyError(path: path, problem: .init(status, ofPrivate: true, pem)) }
    self.key = key
    do {
      publicKey = try PublicKey(pem: try PublicKey.text(of: key, path: path), path: path)
    } catch {
      quern_key_free(key)
      throw error
    }
  }

  deinit { quern_key_free(key) }

  /// The signature of a message, by ECDSA with the hash that belongs to the curve, in DER. Two signatures of one
  /// message differ.
  ///
  /// - Throws: `KeyError` where libcrypto cannot sign, or the key's two halves do not belong together.
  func signature(of message: [UInt8]) throws(KeyError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = message.withUnsafeBytes { message in
      bytes.withUnsafeMutableBufferPointer { signature in
        quern_key_sign(key, message.baseAddress, message.count, signature.baseAddress, signature.count)
      }
    }
    let signature = Array(bytes.prefix(count))
    guard count > 0, publicKey.verifies(signature, of: message) else {
      throw KeyError(path: publicKey.path, problem: .cannotSign)
    }
    return signature
  }
}

/// A public key, which signatures are verified with.
package final class PublicKey: @unchecked Sendable {
  // Not changed after initialisation; libcrypto's keys may be used by several threads at once.
  private let key: OpaquePointer
  /// The path that it was read from.
  let path: String
  /// The key in PEM (SubjectPublicKeyInfo, with an uncompressed point), as `openssl pkey -pubout` prints it.
  package let pem: String

  /// SHA-256 of `pem`, in hexadecimal digits: what signatures name their key by.
  package var sha256: String { SHA256.hash(Array(pem.utf8)).hex }

  /// Reads a key in PEM.
  ///
  /// - Throws: `FileError` where the file cannot be read; `KeyError` where it holds no key that can be used.
  package convenience init(path: String) throws { try self.init(pem: try KeyFile.read(path), path: path) }

  fileprivate init(pem: [UInt8], path: String) throws(KeyError) {
    var status = quern_key_usable
    let key = pem.withUnsafeBytes { quern_public_key($0.baseAddress, $0.count, &status) }
    guard let key else { throw KeyError(path: path, problem: .init(status, ofPrivate: false, pem)) }
    (self.key, self.path) = (key, path)
    do throws(KeyError) {
      self.pem = String(decoding: try Self.text(of: key, path: path), as: UTF8.self)
    } catch {
      quern_key_free(key)
      throw error
    }
  }

  deinit { quern_key_free(key) }

  fileprivate static func text(of key: OpaquePointer, path: String) throws(KeyError) -> [UInt8] {
    var text = [CChar](repeating: 0, count: 1024)
    let count = quern_key_write_public(key, &text, text.count)
    guard count > 0 else { throw KeyError(path: path, problem: .notFound(isPrivate: false)) }
    return text.prefix(count).map { UInt8(bitPattern: $0) }
  }

  /// Whether a signature in DER was made of a message by the private key that belongs to this one.
  func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
    quern_key_verify(key, message, message.count, signature, signature.count) == 1
  }
}

/// Files with keys and passphrases.
package enum KeyFile {
  /// The largest file that is read, in bytes.
  static let maxBytes = 1 << 16

  /// The bytes of a file.
  ///
  /// - Throws: `FileError` where it cannot be read; `KeyError` where it is too large.
  static func read(_ path: String) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    guard file.byteCount <= maxBytes else { throw KeyError(path: path, problem: .tooLarge) }
    return file.withBytes { Array($0) }
  }

  /// The first line of a file, without its end: a passphrase.
  ///
  /// - Throws: `FileError` where it cannot be read; `KeyError` where it is too large.
  package static func passphrase(path: String) throws -> [UInt8] {
    let line = try read(path).prefix { $0 != 0x0A }
    return Array(line.last == 0x0D ? line.dropLast() : line)
  }
}
