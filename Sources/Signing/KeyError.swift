import CSigning
import Files
import PrintableText

/// A key that cannot be used.
package struct KeyError: Error, Hashable, Sendable {
  /// What is wrong with it.
  package enum Problem: Hashable, Sendable {
    /// The file holds no such key in PEM.
    case notFound(isPrivate: Bool)
    /// A private key was given where a public one is needed, or the other way round.
    case otherHalf(isPrivate: Bool)
    /// The file holds other things than one public key.
    case notAlone
    /// The key is encrypted, and no passphrase was given.
    case encrypted
    /// The passphrase does not decrypt the key.
    case wrongPassphrase
    /// The key is not for P-256, P-384 or P-521.
    case otherCurve
    /// The file is larger than any key.
    case tooLarge
    /// libcrypto cannot sign with the key.
    case cannotSign
  }

  /// The path of the file.
  package let path: String
  /// What is wrong with it.
  package let problem: Problem
  /// The kind of failure, for the exit status.
  package var kind: FailureKind { .badData }
}

extension KeyError.Problem {
  init(_ status: quern_key_status, ofPrivate isPrivate: Bool, _ pem: [UInt8]) {
    switch status {
    case quern_key_encrypted: self = .encrypted
    case quern_key_wrong_passphrase: self = .wrongPassphrase
    case quern_key_other_curve: self = .otherCurve
    case quern_key_not_alone: self = .notAlone
    default:
      let other = isPrivate ? "PUBLIC KEY-----" : "PRIVATE KEY-----"
      self =
        String(decoding: pem, as: UTF8.self).contains(other)
        ? .otherHalf(isPrivate: isPrivate) : .notFound(isPrivate: isPrivate)
    }
  }
}

extension KeyError: CustomStringConvertible {
  package var description: String {
    let reason =
      switch problem {
      case .notFound(isPrivate: true): "holds no private key in PEM"
      case .notFound(isPrivate: false): "holds no public key in PEM; 'openssl pkey -in KEY -pubout' prints one"
      case .otherHalf(isPrivate: true): "holds a public key, and only the private one can sign"
      case .otherHalf(isPrivate: false):
        "holds a private key; give the public one, which 'openssl pkey -in KEY -pubout' prints"
      case .notAlone:
        "holds something besides one public key in PEM; 'openssl pkey -in KEY -pubout' prints that alone"
      case .encrypted:
        "the key is encrypted; name a file with its passphrase, or set the environment variable QUERN_KEY_PASSPHRASE"
      case .wrongPassphrase: "the passphrase does not decrypt the key"
      case .otherCurve: "the key is not for one of the curves P-256, P-384 and P-521"
      case .tooLarge: "larger than \(KeyFile.maxBytes) bytes, which no key is"
      case .cannotSign: "the key cannot sign: its private and its public part do not belong together"
      }
    return "\(printable(path)): \(reason)"
  }
}
