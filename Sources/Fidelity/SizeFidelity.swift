import PrintableText

/// The results at one of the sizes that a package serves.
package struct SizeFidelity: Hashable, Sendable {
  /// The side of the images in pixels.
  package let size: Int
  /// How images are cropped to that size: "square" or "rect".
  package let crop: String
  /// The exponent p of GeM pooling at this size; nil for a network without GeM pooling.
  package let poolingExponent: Double?
  /// The figures at this size.
  package internal(set) var figures: FidelityFigures
  /// The gates that belong to `figures`.
  package let gates: [GateResult]

  /// Whether images were compared and every gate passed.
  package var passed: Bool { figures.images > 0 && !gates.isEmpty && gates.allSatisfy(\.passed) }

  package init(size: Int, crop: String, poolingExponent: Double?, figures: FidelityFigures, gates: Gates) {
    self.size = size
    self.crop = crop
    self.poolingExponent = poolingExponent
    self.figures = figures
    self.gates = gates.results(for: figures)
  }

  /// Such as "500 px".
  package var title: String { "\(size) px" }

  /// Such as "500 px, square, p = 4".
  package var description: String {
    "\(title), \(printable(crop))" + (poolingExponent.map { ", p = \(shortest($0))" } ?? "")
  }
}

/// In JSON, the figures have the same names as in a report, next to the members that say where they were measured.
extension SizeFidelity: Codable {
  private enum CodingKeys: String, CodingKey {
    case size, crop, passed, gates
    case poolingExponent = "pooling_exponent"
  }

  package func encode(to encoder: any Encoder) throws {
    try figures.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(size, forKey: .size)
    try container.encode(crop, forKey: .crop)
    try container.encode(PoolingExponent(poolingExponent), forKey: .poolingExponent)
    try container.encode(passed, forKey: .passed)
    try container.encode(gates, forKey: .gates)
  }

  /// - Throws: `DecodingError`, including for a verdict that the gates contradict.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    figures = try FidelityFigures(from: decoder)
    size = try container.decode(Int.self, forKey: .size)
    crop = try container.decode(String.self, forKey: .crop)
    if (try? container.decode(String.self, forKey: .poolingExponent)) == "inf" {
      poolingExponent = .infinity
    } else {
      poolingExponent = try container.decodeIfPresent(Double.self, forKey: .poolingExponent)
    }
    gates = try container.decode([GateResult].self, forKey: .gates)
    guard try container.decode(Bool.self, forKey: .passed) == passed else {
      throw DecodingError.dataCorruptedError(
        forKey: .passed, in: container, debugDescription: "the verdict is not that of the gates")
    }
  }
}
