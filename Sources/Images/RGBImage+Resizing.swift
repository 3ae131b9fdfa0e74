import CImageCodecs

/// A rectangle in fractional pixels, as Pillow's `resize` takes it.
public struct SampleBox: Hashable, Sendable {
  public var left: Float
  public var top: Float
  public var right: Float
  public var bottom: Float

  public init(left: Float, top: Float, right: Float, bottom: Float) {
    self.left = left
    self.top = top
    self.right = right
    self.bottom = bottom
  }
}

/// One resize: what of the picture is taken, to what size, and what of the outcome is wanted.
struct Resampling {
  /// The part of the picture that exists; nothing outside it is read.
  var region: PixelRect
  /// The part of `region` that fills the output, counted from its corner.
  var box: SampleBox
  var outputWidth: Int
  var outputHeight: Int
  /// The part of the output that is computed.
  var window: PixelRect
}

extension RGBImage {
  /// The largest side of a resized picture.
  static let maximumSide = 65_535

  /// Resizes by Pillow's antialiased bilinear filter, bit for bit `image.resize((width, height), BILINEAR, box)`.
  ///
  /// - Parameter box: the part of the picture that fills the outcome (all of it by default); samples beside it still
  ///   weigh in at its edges. To resize a crop by itself, see `resized(width:height:cropping:)`.
  public func resized(width: Int, height: Int, box: SampleBox? = nil) throws(ImageError) -> RGBImage {
    let full = SampleBox(left: 0, top: 0, right: Float(self.width), bottom: Float(self.height))
    let box = box ?? full
    guard box.left >= 0, box.top >= 0, box.right <= full.right, box.bottom <= full.bottom,
      box.left < box.right, box.top < box.bottom
    else {
      throw .invalidGeometry(
        "the box (\(box.left), \(box.top), \(box.right), \(box.bottom)) is empty or exceeds the picture of "
          + "\(self.width)x\(self.height)")
    }
    try Self.checkOutput(width: width, height: height)
    return resampled(
      Resampling(
        region: bounds, box: box, outputWidth: width, outputHeight: height,
        window: PixelRect(x: 0, y: 0, width: width, height: height)))
  }

  /// Crops, then resizes the crop: bit for bit `image.crop(...).resize((width, height), BILINEAR)`.
  public func resized(width: Int, height: Int, cropping rect: PixelRect) throws(ImageError) -> RGBImage {
    guard rect.fits(width: self.width, height: self.height) else {
      throw .invalidGeometry("a crop of \(rect) does not lie inside a picture of \(self.width)x\(self.height)")
    }
    try Self.checkOutput(width: width, height: height)
    return resampled(
      Resampling(
        region: rect, box: SampleBox(left: 0, top: 0, right: Float(rect.width), bottom: Float(rect.height)),
        outputWidth: width, outputHeight: height, window: PixelRect(x: 0, y: 0, width: width, height: height)))
  }

  private static func checkOutput(width: Int, height: Int) throws(ImageError) {
    guard (1...maximumSide).contains(width), (1...maximumSide).contains(height) else {
      throw .invalidGeometry("cannot resize to \(width)x\(height); each side must be in 1...\(maximumSide)")
    }
  }

  /// The two passes, rows first, with rounding to 8 bits in between; a pass that changes nothing is left out.
  func resampled(_ resampling: Resampling) -> RGBImage {
    let (region, box, window) = (resampling.region, resampling.box, resampling.window)
    let keepsColumns = resampling.outputWidth == region.width && box.left == 0 && box.right == Float(region.width)
    let keepsRows = resampling.outputHeight == region.height && box.top == 0 && box.bottom == Float(region.height)
    let columns =
      keepsColumns
      ? nil
      : ResampleAxis(
        inputSize: region.width, from: box.left, to: box.right, outputSize: resampling.outputWidth,
        window: window.x..<window.x + window.width)
    let rows =
      keepsRows
      ? nil
      : ResampleAxis(
        inputSize: region.height, from: box.top, to: box.bottom, outputSize: resampling.outputHeight,
        window: window.y..<window.y + window.height)
    let inputRows = rows?.inputs ?? window.y..<window.y + window.height

    // What the row pass leaves: the wanted columns of the rows that the column pass needs.
    var image = self
    var origin = ((region.y + inputRows.lowerBound) * width + region.x) * 3
    if let columns {
      image = horizontalPass(columns, origin: origin, rows: inputRows.count)
      origin = 0
    } else {
      origin += window.x * 3
    }
    if let rows {
      image = image.verticalPass(rows, origin: origin, width: window.width)
    } else if columns == nil {
      let rect = PixelRect(
        x: region.x + window.x, y: region.y + window.y, width: window.width, height: window.height)
      image = (try? cropped(to: rect)) ?? self
    }
    return image
  }

  private func horizontalPass(_ columns: ResampleAxis, origin: Int, rows: Int) -> RGBImage {
    let inputs = columns.inputs
    let outputWidth = columns.first.count
    var scratch = [UInt8](repeating: 0, count: 3 * inputs.count + 1)
    let byteCount = outputWidth * rows * 3
    let output = [UInt8](unsafeUninitializedCapacity: byteCount) { output, count in
      pixels.withUnsafeBufferPointer { source in
        let start = UnsafeBufferPointer(rebasing: source[(origin + inputs.lowerBound * 3)...])
        columns.withTaps(origin: inputs.lowerBound) { taps in
          quern_resample_horizontal(
            start.baseAddress, width * 3, inputs.count, rows, taps, &scratch, output.baseAddress)
        }
      }
      count = byteCount
    }
    return RGBImage(width: outputWidth, height: rows, checked: output)
  }

  private func verticalPass(_ rows: ResampleAxis, origin: Int, width outputWidth: Int) -> RGBImage {
    let outputHeight = rows.first.count
    let byteCount = outputWidth * outputHeight * 3
    let output = [UInt8](unsafeUninitializedCapacity: byteCount) { output, count in
      pixels.withUnsafeBufferPointer { source in
        let start = UnsafeBufferPointer(rebasing: source[origin...])
        rows.withTaps(origin: rows.inputs.lowerBound) { taps in
          quern_resample_vertical(start.baseAddress, width * 3, outputWidth * 3, taps, output.baseAddress)
        }
      }
      count = byteCount
    }
    return RGBImage(width: outputWidth, height: outputHeight, checked: output)
  }
}
