import Files

/// Compares what the figures of a package were measured on with the package (formats/package.md, "Metadata section").
package struct FigureBinding: Sendable {
  /// Whose figures a package states.
  package enum Owner: String, Sendable, Encodable {
    /// They name the content hash of this package.
    case thisPackage = "this_package"
    /// They name another content hash, or were measured with another checkpoint or other images than the package was
    /// made from.
    case otherPackage = "other_package"
    /// They name no content hash, as those of packages that earlier versions made.
    case unknown
  }

  /// Whose figures they are.
  package let owner: Owner
  /// What does not fit; `nil` unless they are of another package.
  package let problem: String?

  /// Hashes are in hexadecimal digits, and `nil` where they are not stated.
  ///
  /// - Parameters:
  ///   - contentHash: of the package.
  ///   - stated: the content hash of the package that the figures were measured on.
  ///   - checkpoints: of the checkpoint that the package was made from, and of the one it was compared with.
  ///   - calibration: of the calibration images, as the package states them and as the figures do.
  package init(
    contentHash: SHA256.Digest, stated: String?, checkpoints: (made: String?, compared: String?),
    calibration: (made: String?, stated: String?)
  ) {
    func differ(_ a: String?, _ b: String?) -> Bool { a.map { a in b.map { $0 != a } ?? false } ?? false }
    let problem: String? =
      if let stated, stated != contentHash.hex {
        "they were measured on the content hash \(Self.shown(stated)), and this is \(contentHash.hex)"
      } else if differ(checkpoints.made, checkpoints.compared) {
        "they compare with another checkpoint than the one that the package was made from"
      } else if differ(calibration.made, calibration.stated) {
        "they name other calibration images than the package does"
      } else {
        nil
      }
    self.problem = problem
    owner = problem != nil ? .otherPackage : stated == nil ? .unknown : .thisPackage
  }

  /// A hash that a file states, which may be any text.
  private static func shown(_ stated: String) -> String {
    stated.utf8.count == 2 * SHA256.byteCount && stated.isLowerCaseHexadecimal ? stated : "that is none"
  }
}
