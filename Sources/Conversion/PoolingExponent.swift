import Fidelity

/// The exponent of GeM pooling as inspections state it. In JSON it is a number, "inf" for maximum pooling, or null.
package struct PoolingExponent: Encodable, Sendable, CustomStringConvertible {
  /// `nil` where the embedding does not come from one pooling.
  package let value: Double?

  init(_ value: Double?) { self.value = value }

  package var description: String { value.map { $0 == .infinity ? "inf" : shortest($0) } ?? "none" }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if value == .infinity { try container.encode("inf") } else { try container.encode(value) }
  }
}
