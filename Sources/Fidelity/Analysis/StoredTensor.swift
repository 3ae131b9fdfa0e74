/// Constants of a layer as a package holds them.
package struct StoredTensor: Hashable, Sendable {
  /// The layer.
  package var layer: String
  /// What it is to the layer, such as "weight".
  package var role: String
  package var elementType: String
  package var shape: String
  /// Before compression, and as stored; equal where compression does not help.
  package var bytes: Int
  package var storedBytes: Int
  /// Other constants with the same bytes, which are stored only here.
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
  /// The tensors, those that take most space first.
  package var tensorsBySize: [StoredTensor] {
    tensors.enumerated().sorted { a, b in
      let (x, y) = ((a.element.storedBytes, a.element.bytes), (b.element.storedBytes, b.element.bytes))
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }

  /// Of all tensors, before compression and as stored.
  package var tensorBytes: (raw: Int, stored: Int) {
    (tensors.reduce(0) { $0 + $1.bytes }, tensors.reduce(0) { $0 + $1.storedBytes })
  }
}
