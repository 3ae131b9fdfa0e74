/// How a package was made, as far as a report does not say that itself.
package struct PackageBuild: Hashable, Sendable {
  /// A file that the conversion read, apart from the checkpoint and images.
  package struct Input: Hashable, Sendable {
    /// The kind of the file, such as "plan".
    package var role: String
    /// The name without its folder.
    package var name: String
    /// In hexadecimal digits.
    package var sha256: String

    /// - Parameter path: gives the name.
    package init(role: String, path: String, sha256: String) {
      self.role = role
      name = path.split(separator: "/").last.map(String.init) ?? path
      self.sha256 = sha256
    }
  }

  /// SHA-256 of the plan that the package was made with, as `quern plan` writes it but without `calibration_pixels`, in
  /// hexadecimal digits.
  package var planSHA256: String?
  /// The licence of the weights as an SPDX expression; nil where none is stated.
  package var licenseExpression: String?
  /// The text of the licence; nil where none is stated.
  package var licenseText: String?
  /// The number of elements of an embedding.
  package var embeddingDimension: Int
  /// The number of classes; 0 without a classifier.
  package var classCount: Int
  /// The images that weights were rounded with, where they are others than the calibration images; nil where they are
  /// these.
  package var roundingImages: ImageSet?
  /// Files that were read.
  package var inputs: [Input] = []
  /// The time to state, in seconds since 1970; nil for none, so that the same conversion gives the same bytes.
  package var time: Int?

  package init(planSHA256: String?, embeddingDimension: Int, classCount: Int) {
    self.planSHA256 = planSHA256
    self.embeddingDimension = embeddingDimension
    self.classCount = classCount
  }
}
