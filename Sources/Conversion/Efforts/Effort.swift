import Quantization

/// How much time a conversion may take for fidelity, and whether inference may take more time for it.
package enum Effort: String, Sendable, CaseIterable {
  /// Plain calibration: ranges, and weights rounded to the nearest level.
  case fast
  /// Channels are equalised and weights rounded by error feedback. Steps of weights are as coarse as the noise of
  /// rounded activations hides. Where a gate fails, activations are read as 16 bits until it passes.
  case balanced
  /// Every activation that can be is read as 16 bits, and rounding is learned, layer after layer, from the float
  /// network.
  case thorough
}

extension ConversionOptions {
  /// Sets the effort, and the options that follow from it: equalisation and the rounding method.
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
