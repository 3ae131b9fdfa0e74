import Fidelity
import Images
import Pixels

extension Picture {
  /// A thumbnail.
  ///
  /// - Parameters:
  ///   - name: the image's path below the folder of images.
  ///   - side: the long side in pixels.
  /// - Throws: `ImageError` where the thumbnail cannot be written as PNG.
  init(_ pixels: RGBImage, of name: String, side: Int) throws(ImageError) {
    let small = try pixels.thumbnail(side: side)
    self.init(name: name, width: small.width, height: small.height, png: try small.png())
  }

  /// A thumbnail of an image that was read before. A file that was removed or replaced since costs its picture, and not
  /// the report: the result is then `nil`.
  ///
  /// - Parameter pixels: reads the image.
  /// - Throws: `ImageError` for an error of the system, or where the thumbnail cannot be written as PNG.
  static func ifAvailable(of name: String, side: Int, _ pixels: () throws -> RGBImage) throws -> Picture? {
    do {
      return try Picture(try pixels(), of: name, side: side)
    } catch let error as ImageError where error.isOfImage || error.underlying == .changed {
      return nil
    }
  }
}
