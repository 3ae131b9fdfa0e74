/// A verification that stopped before the last image, because the images compared decide every gate.
package struct VerificationStop: Hashable, Sendable {
  /// The number of available images, compared or not.
  package internal(set) var availableImages: Int
  /// The upper limit, with 95 % confidence, of the share of images that drift by more than `maxDrift`, from 0 to 1;
  /// `nil` where one of those compared does.
  package let shareAboveMaxDriftUpper: Double?
  /// The intervals of gates, from confidence sequences that are valid together with 95 % confidence, whenever one
  /// stops.
  package var intervals: [GateName: ConfidenceInterval]
}
