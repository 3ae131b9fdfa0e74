import Quantization

/// How much time a conversion takes for fidelity, and whether inference may.
package enum Effort: String, Sendable, CaseIterable {
  /// Plain calibration: ranges, and weights rounded to the nearest level.
  case fast
  /// Channels equalised, weights rounded by what their layers read, and, where a gate fails, activations read as 16 bits
  /// until it passes. Steps of weights are as coarse as the rounding of activations hides.
  case balanced
  /// Every activation that can be read as 16 bits read so, and weights rounded layer after layer beside the float network.
  case thorough
}

extension ConversionOptions {
  /// Sets what an effort stands for.
  package mutating func setEffort(_ effort: Effort) {
    self.effort = effort
    equalizesChannels = effort == .balanced
    rounding =
      switch effort {
      case .fast: .nearest
      case .balanced: .errorFeedback
      case .thorough: .learned
      }
  }
}
