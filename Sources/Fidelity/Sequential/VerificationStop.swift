/// That images at hand were not compared, because those before them decided every gate.
package struct VerificationStop: Hashable, Sendable {
  /// How many images there were to compare.
  package let imagesAtHand: Int
  /// With 95 % confidence, the largest share of images that drift by more than a single one may, from 0 to 1; `nil` where one
  /// of those compared does.
  package let shareAboveMaxDriftUpper: Double?
  /// Of the gates, by confidence sequences that hold together with 95 % confidence, wherever one stops.
  package var intervals: [GateName: ConfidenceInterval]
}
