/// What inference with a package costs, by the table of costs that ships with the tool, beside what it would cost with all
/// that can be int8 in int8 and no input read as 16 bits. It does not depend on the machine; `quern bench` measures.
package struct InferenceCost: Hashable, Sendable, Codable {
  /// Of an image on one core, at the first size.
  package let milliseconds: Double
  /// The same for plain int8.
  package let plainMilliseconds: Double
  /// Layers that read inputs of 16 bits.
  package let wideLayers: Int
  /// Layers with weights that compute in float.
  package let floatLayers: Int

  /// How many times as long as plain int8 it takes.
  package var slowdown: Double { plainMilliseconds > 0 ? milliseconds / plainMilliseconds : 1 }

  package init(milliseconds: Double, plainMilliseconds: Double, wideLayers: Int, floatLayers: Int) {
    // So much of it means something.
    func rounded(_ value: Double) -> Double { (value * 1e3).rounded() / 1e3 }
    (self.milliseconds, self.plainMilliseconds) = (rounded(milliseconds), rounded(plainMilliseconds))
    (self.wideLayers, self.floatLayers) = (wideLayers, floatLayers)
  }

  private enum CodingKeys: String, CodingKey {
    case milliseconds = "cost_ms"
    case plainMilliseconds = "plain_int8_cost_ms"
    case wideLayers = "layers_with_16bit_inputs"
    case floatLayers = "layers_in_float"
  }
}
