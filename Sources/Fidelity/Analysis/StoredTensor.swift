/// A tensor of a layer's constants as a package stores it.
package struct StoredTensor: Hashable, Sendable {
  /// The name of the layer.
  package var layer: String
  /// The tensor's role in the layer, such as "weight".
  package var role: String
  /// Such as "int8".
  package var elementType: String
  /// The dimensions, such as "64x3x3x3".
  package var shape: String
  /// Before compression.
  package var bytes: Int
  /// As stored; equal to `bytes` where compression does not help.
  package var storedBytes: Int
  /// How many other tensors have the same contents and therefore share these bytes.
  package var copies: Int

  package init(
    layer: String, role: String, elementType: String, shape: String, bytes: Int, storedBytes: Int, copies: Int
  ) {
    self.layer = layer
    self.role = role
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
    self.storedBytes = storedBytes
    self.copies = copies
  }

  /// Such as "layer1.0.conv1.weight".
  package var name: String { "\(layer).\(role)" }
}

extension LossAnalysis {
  /// The tensors, the largest as stored first.
  package var tensorsBySize: [StoredTensor] {
    tensors.enumerated().sorted { a, b in
      let (x, y) = ((a.element.storedBytes, a.element.bytes), (b.element.storedBytes, b.element.bytes))
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }

  /// The bytes of all tensors, before compression and as stored.
  package var tensorBytes: (raw: Int, stored: Int) {
    (tensors.reduce(0) { $0 + $1.bytes }, tensors.reduce(0) { $0 + $1.storedBytes })
  }
}
