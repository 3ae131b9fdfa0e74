/// The minimum steps of weights, chosen before weights are quantised.
package struct WeightSteps: Sendable, Hashable {
  /// The minimum step of a layer's output channels, by node name, in real units. A channel whose largest weight
  /// requires a larger step keeps that.
  package var least: [String: Float]

  /// - Parameter least: minimum steps by node name.
  package init(least: [String: Float] = [:]) { self.least = least }

  /// The maximum factor by which a step is made coarser: at least 8 levels remain on either side of zero.
  static let factorLimit: Float = 16

  /// The step of a channel of a node, whose largest weight requires the step `finest`.
  func step(finest: Float, of node: String) -> Float { Self.step(finest: finest, least: least[node]) }

  static func step(finest: Float, least: Float?) -> Float {
    max(finest, min(least ?? finest, finest * factorLimit))
  }
}
