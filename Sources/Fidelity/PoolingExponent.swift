/// The exponent of GeM pooling as reports and inspections state it. In JSON, which has no infinity, it is a number,
/// "inf" for maximum pooling, or null.
package struct PoolingExponent: Encodable, Sendable, CustomStringConvertible {
  /// `nil` where the embedding does not come from one pooling.
  package let value: Double?

  package init(_ value: Double?) { self.value = value }

  package var description: String { value.map(shortest) ?? "none" }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if value == .infinity { try container.encode("inf") } else { try container.encode(value) }
  }
}
