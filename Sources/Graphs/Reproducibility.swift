import Tensors

/// How far the results of an operator are the same bits wherever they are computed from the same inputs.
package enum Reproducibility: UInt8, Hashable, Sendable, Comparable {
  /// The package format specifies every bit.
  case specified
  /// The package format leaves the order of sums, or the implementation of exp, open. Quern's results are the same bits
  /// on every machine.
  case implementation
  /// The last bit depends on the C library of the machine.
  case library

  package static func < (a: Reproducibility, b: Reproducibility) -> Bool { a.rawValue < b.rawValue }
}

/// How far a value of a graph is the same bits wherever it is computed.
package struct ValueReproducibility: Hashable, Sendable {
  /// That of the least reproducible operator that the value depends on.
  package var bits = Reproducibility.specified
  /// Whether the value depends on an operator whose results are those of the implementation, `.implementation`.
  package var dependsOnImplementation = false
  /// Whether a result that is not specified to the last bit was rounded to levels on the way. A difference in its last
  /// bit can then become one of a whole level, and grow from layer to layer.
  package var isRounded = false
  /// Whether a result whose last bit depends on the C library was rounded to levels on the way.
  package var isRoundedByLibrary = false
}

extension Graph {
  /// The reproducibility of all values, indexed by `ValueID.index`.
  package var reproducibility: [ValueReproducibility] {
    var result = [ValueReproducibility](repeating: ValueReproducibility(), count: valueCount)
    for node in nodes {
      let formats = node.inputs.map { format(of: $0) }
      let own = node.op.reproducibility(inputs: formats, constants: node.constants)
      var value = ValueReproducibility(bits: own, dependsOnImplementation: own == .implementation)
      for input in node.inputs {
        value.bits = max(value.bits, result[input.index].bits)
        value.dependsOnImplementation =
          value.dependsOnImplementation || result[input.index].dependsOnImplementation
        value.isRounded = value.isRounded || result[input.index].isRounded
        value.isRoundedByLibrary = value.isRoundedByLibrary || result[input.index].isRoundedByLibrary
      }
      if format(of: node.output) != .float32 {
        value.isRounded = value.isRounded || value.bits > .specified
        value.isRoundedByLibrary = value.isRoundedByLibrary || value.bits == .library
      }
      result[node.output.index] = value
    }
    return result
  }
}
