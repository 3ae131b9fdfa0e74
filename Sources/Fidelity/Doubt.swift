/// What reports say where a gate may pass whatever was computed.
package enum Doubt {
  /// Short reasons of verdicts.
  package static let comparedWithItself = "compared with itself"
  package static let unknownCalibration = "not known which images were calibrated on"
  package static let alikeEmbeddings = "embeddings of different images are alike"
  static let oneAnswer = "one class for all images"

  /// A short reason of a verdict, such as "48 of 62 images calibrated on".
  package static func calibratedOn(_ count: Int, of total: Int, _ images: String) -> String {
    "\(count) of \(total) \(images) calibrated on"
  }

  /// A warning, in a sentence.
  ///
  /// - Parameters:
  ///   - sides: why both sides are the same, such as "both sides are the same file".
  ///   - figures: the figures that say nothing.
  package static func ofItself(_ sides: String, figures: String) -> String {
    "\(sides), and what is compared with itself always agrees: \(figures) prove nothing"
  }
}
