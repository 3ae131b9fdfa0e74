/// An image of which an analysis shows the pixels, as the networks see them or smaller.
public struct Picture: Hashable, Sendable {
  public var name: String
  public var width: Int
  public var height: Int
  /// A PNG file.
  public var png: [UInt8]

  public init(name: String, width: Int, height: Int, png: [UInt8]) {
    self.name = name
    self.width = width
    self.height = height
    self.png = png
  }
}
