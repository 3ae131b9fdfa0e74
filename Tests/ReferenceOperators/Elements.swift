import Graphs
import Tensors

/// The elements of an activation in the format it is held in; equal means equal bits.
package enum Elements: Equatable, Sendable {
  case float([Float])
  /// Levels, and behind them the remainders plus 128 where the format has any.
  case uint8([UInt8])

  package var count: Int {
    switch self {
    case .float(let values): values.count
    case .uint8(let levels): levels.count
    }
  }

  package static func == (a: Elements, b: Elements) -> Bool {
    switch (a, b) {
    case (.float(let a), .float(let b)): a.map(\.bitPattern) == b.map(\.bitPattern)
    case (.uint8(let a), .uint8(let b)): a == b
    default: false
    }
  }

  /// What the elements stand for.
  package func reals(_ format: ValueFormat) -> [Double] {
    switch (self, format) {
    case (.float(let values), _): values.map { Double($0) }
    case (.uint8(let levels), .uint8(let p)):
      levels.map { Double(p.scale) * Double(Int($0) - Int(p.zeroPoint)) }
    case (.uint8(let planes), .uint8WithRemainder(let p)):
      (0..<planes.count / 2).map { index in
        let remainder = Double(Int(planes[planes.count / 2 + index]) - 128) / 256
        return Double(p.scale) * (Double(Int(planes[index]) - Int(p.zeroPoint)) + remainder)
      }
    case (.uint8(let levels), .float32): levels.map { Double($0) }
    }
  }

  package var floats: [Float]? { if case .float(let values) = self { values } else { nil } }
}

/// An activation: what an operator reads or writes.
package struct Activation: Sendable {
  package var shape: Shape
  package var format: ValueFormat
  package var elements: Elements

  package init(shape: Shape, format: ValueFormat, elements: Elements) {
    (self.shape, self.format, self.elements) = (shape, format, elements)
  }

  /// Random elements: floats in -2 ... 2, or any levels.
  package static func random(_ shape: Shape, _ format: ValueFormat, _ random: inout SplitMix64) -> Activation {
    let elements: Elements =
      format == .float32
      ? .float(random.floats(shape.elementCount, -2...2))
      : .uint8(random.bytes(format.byteCount(elementCount: shape.elementCount)))
    return Activation(shape: shape, format: format, elements: elements)
  }
}
