/// An image that an analysis shows, with the pixels that the networks read, or scaled down.
package struct Picture: Hashable, Sendable {
  /// The image's path below the folder of images.
  package var name: String
  /// In pixels.
  package var width: Int
  /// In pixels.
  package var height: Int
  /// The contents of a PNG file of this width and height.
  package var png: [UInt8]

  package init(name: String, width: Int, height: Int, png: [UInt8]) {
    self.name = name
    self.width = width
    self.height = height
    self.png = png
  }
}
