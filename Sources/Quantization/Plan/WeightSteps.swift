/// How coarse the steps of weights may be made, as a value that is decided before weights are quantised.
package struct WeightSteps: Sendable, Hashable {
  /// The least step of a layer's output channels, by node name, in real units. A channel that needs a larger one for its
  /// largest weight keeps that.
  package var least: [String: Float]

  package init(least: [String: Float] = [:]) { self.least = least }

  /// The most that a step is made coarser by: 8 levels on either side of zero are left.
  static let factorLimit: Float = 16

  /// The step of a channel of a node whose largest weight asks for `finest`.
  func step(finest: Float, of node: String) -> Float { Self.step(finest: finest, least: least[node]) }

  static func step(finest: Float, least: Float?) -> Float {
    max(finest, min(least ?? finest, finest * factorLimit))
  }
}
