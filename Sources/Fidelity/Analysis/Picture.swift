/// An image of which an analysis shows the pixels, as the networks see them or smaller.
package struct Picture: Hashable, Sendable {
  package var name: String
  package var width: Int
  package var height: Int
  /// A PNG file.
  package var png: [UInt8]

  package init(name: String, width: Int, height: Int, png: [UInt8]) {
    self.name = name
    self.width = width
    self.height = height
    self.png = png
  }
}
