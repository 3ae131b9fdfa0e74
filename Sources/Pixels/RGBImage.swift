/// An 8-bit RGB image.
///
/// Pixels are stored row by row without padding: `pixels[(y * width + x) * 3 + channel]`, channels in the order red,
/// green, blue, values 0...255 as in the file (no gamma, colour profile or orientation is applied).
package struct RGBImage: Hashable, Sendable {
  /// Pixels in a row; positive.
  package let width: Int
  /// Rows; positive.
  package let height: Int
  /// `width * height * 3` values.
  package let pixels: [UInt8]

  /// `nil` unless both sides are positive and `pixels` has `width * height * 3` values.
  package init?(width: Int, height: Int, pixels: [UInt8]) {
    guard width > 0, height > 0 else { return nil }
    let (area, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, pixels.count % 3 == 0, pixels.count / 3 == area else { return nil }
    self.init(width: width, height: height, checked: pixels)
  }

  /// Does not check the sizes, which the caller has checked.
  package init(width: Int, height: Int, checked pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}

/// A rectangle of whole pixels; the origin of coordinates is the top-left corner of the image.
package struct PixelRect: Hashable, Sendable {
  /// The leftmost column.
  package var x: Int
  /// The top row.
  package var y: Int
  /// In columns.
  package var width: Int
  /// In rows.
  package var height: Int

  package init(x: Int, y: Int, width: Int, height: Int) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// Whether the rectangle is not empty and lies in `0 ..< width` by `0 ..< height`.
  package func fits(width: Int, height: Int) -> Bool {
    x >= 0 && y >= 0 && self.width > 0 && self.height > 0
      && self.width <= width && self.height <= height && x <= width - self.width && y <= height - self.height
  }
}

extension RGBImage {
  /// The whole image as a rectangle.
  package var bounds: PixelRect { PixelRect(x: 0, y: 0, width: width, height: height) }

  /// The part of the image inside `rect`.
  ///
  /// - Throws: `ImageError.invalidGeometry` if `rect` is empty or does not lie inside the image.
  package func cropped(to rect: PixelRect) throws(ImageError) -> RGBImage {
    guard rect.fits(width: width, height: height) else {
      throw .invalidGeometry("a crop of \(rect) does not lie inside an image of \(width)x\(height)")
    }
    return copied(rect)
  }

  /// The part of the image inside `rect`, which the caller has checked.
  package func copied(_ rect: PixelRect) -> RGBImage {
    guard rect != bounds else { return self }
    let part = [UInt8](unsafeUninitializedCapacity: rect.width * rect.height * 3) { destination, count in
      for y in 0..<rect.height {
        let start = ((rect.y + y) * width + rect.x) * 3
        let row = UnsafeMutableBufferPointer(rebasing: destination[(y * rect.width * 3)...])
        _ = row.update(fromContentsOf: pixels[start..<start + rect.width * 3])
      }
      count = rect.width * rect.height * 3
    }
    return RGBImage(width: rect.width, height: rect.height, checked: part)
  }

  /// The image with left and right exchanged.
  package func flippedHorizontally() -> RGBImage {
    let flipped = [UInt8](unsafeUninitializedCapacity: pixels.count) { destination, count in
      pixels.withUnsafeBufferPointer { source in
        for row in stride(from: 0, to: source.count, by: width * 3) {
          var from = row + width * 3
          for to in stride(from: row, to: row + width * 3, by: 3) {
            from -= 3
            destination[to] = source[from]
            destination[to + 1] = source[from + 1]
            destination[to + 2] = source[from + 2]
          }
        }
      }
      count = pixels.count
    }
    return RGBImage(width: width, height: height, checked: flipped)
  }
}

extension PixelRect: CustomStringConvertible {
  package var description: String { "\(width)x\(height)+\(x)+\(y)" }
}
