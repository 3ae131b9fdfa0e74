/// The estimated time of inference with a package, and that of plain int8: the same network with every layer in int8
/// that supports it and no 16-bit inputs. Estimates come from the table of costs that ships with the tool, so they do
/// not depend on the machine; `quern bench` measures.
package struct InferenceCost: Hashable, Sendable, Codable {
  /// The time for one image on one core, at the first size.
  package let milliseconds: Double
  /// The same time for plain int8.
  package let plainMilliseconds: Double
  /// The same time for the float network; nil in reports of earlier versions.
  package let floatMilliseconds: Double?
  /// The size of the float network's folded weights in bytes, as float32; nil in reports of earlier versions.
  package let floatBytes: Int?
  /// The number of layers that read 16-bit inputs.
  package let wideLayers: Int
  /// The number of layers with weights that compute in float.
  package let floatLayers: Int

  /// The time relative to plain int8.
  package var slowdown: Double { plainMilliseconds > 0 ? milliseconds / plainMilliseconds : 1 }

  package init(
    milliseconds: Double, plainMilliseconds: Double, floatMilliseconds: Double?, floatBytes: Int?, wideLayers: Int,
    floatLayers: Int
  ) {
    // Digits beyond a microsecond have no meaning.
    func rounded(_ value: Double) -> Double { (value * 1e3).rounded() / 1e3 }
    (self.milliseconds, self.plainMilliseconds) = (rounded(milliseconds), rounded(plainMilliseconds))
    (self.floatMilliseconds, self.floatBytes) = (floatMilliseconds.map(rounded), floatBytes)
    (self.wideLayers, self.floatLayers) = (wideLayers, floatLayers)
  }

  private enum CodingKeys: String, CodingKey {
    case milliseconds = "cost_ms"
    case plainMilliseconds = "plain_int8_cost_ms"
    case floatMilliseconds = "float_cost_ms"
    case floatBytes = "float_bytes"
    case wideLayers = "layers_with_16bit_inputs"
    case floatLayers = "layers_in_float"
  }
}
