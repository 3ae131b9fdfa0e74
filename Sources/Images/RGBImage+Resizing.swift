import CImageCodecs

/// A rectangle in fractional pixels, as Pillow's `resize` takes it.
package struct SampleBox: Hashable, Sendable {
  package var left: Float
  package var top: Float
  package var right: Float
  package var bottom: Float

  package init(left: Float, top: Float, right: Float, bottom: Float) {
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
  var filter = ResizeFilter.bilinear
}

extension RGBImage {
  /// The largest side of a resized picture: far beyond what a network is run at, and still little memory.
  package static let maximumSide = 8192

  /// Resizes by one of Pillow's antialiased filters, bit for bit `image.resize((width, height), filter, box)`.
  ///
  /// - Parameter box: the part of the picture that fills the outcome (all of it by default); samples beside it still
  ///   weigh in at its edges. To resize a crop by itself, see `resized(width:height:cropping:)`.
  package func resized(
    width: Int, height: Int, box: SampleBox? = nil, filter: ResizeFilter = .bilinear
  ) throws(ImageError) -> RGBImage {
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
        window: PixelRect(x: 0, y: 0, width: width, height: height), filter: filter))
  }

  /// Crops, then resizes the crop: bit for bit `image.crop(...).resize((width, height), filter)`.
  package func resized(
    width: Int, height: Int, cropping rect: PixelRect, filter: ResizeFilter = .bilinear
  ) throws(ImageError) -> RGBImage {
    guard rect.fits(width: self.width, height: self.height) else {
      throw .invalidGeometry("a crop of \(rect) does not lie inside a picture of \(self.width)x\(self.height)")
    }
    try Self.checkOutput(width: width, height: height)
    return resampled(
      Resampling(
        region: rect, box: SampleBox(left: 0, top: 0, right: Float(rect.width), bottom: Float(rect.height)),
        outputWidth: width, outputHeight: height, window: PixelRect(x: 0, y: 0, width: width, height: height),
        filter: filter))
  }

  private static func checkOutput(width: Int, height: Int) throws(ImageError) {
    guard (1...maximumSide).contains(width), (1...maximumSide).contains(height) else {
      throw .invalidGeometry("cannot resize to \(width)x\(height); each side must be in 1...\(maximumSide)")
    }
  }

  /// The two passes with rounding to 8 bits in between, in Pillow's order: along the rows first, unless the height
  /// shrinks by more than twice what the width does. (Pillow before 13 had one order only; outcomes then differ by one
  /// step in some pixels of pictures that are much higher than wide.) A pass that changes nothing is left out.
  func resampled(_ resampling: Resampling) -> RGBImage {
    let (region, box, window) = (resampling.region, resampling.box, resampling.window)
    let keepsColumns = resampling.outputWidth == region.width && box.left == 0 && box.right == Float(region.width)
    let keepsRows = resampling.outputHeight == region.height && box.top == 0 && box.bottom == Float(region.height)
    let columnWindow = window.x..<window.x + window.width
    let rowWindow = window.y..<window.y + window.height
    let columns =
      keepsColumns
      ? nil
      : ResampleAxis(
        inputSize: region.width, from: box.left, to: box.right, outputSize: resampling.outputWidth,
        window: columnWindow, filter: resampling.filter)
    let rows =
      keepsRows
      ? nil
      : ResampleAxis(
        inputSize: region.height, from: box.top, to: box.bottom, outputSize: resampling.outputHeight,
        window: rowWindow, filter: resampling.filter)

    // Only what the window needs is read.
    let inputColumns = columns?.inputs ?? columnWindow
    let inputRows = rows?.inputs ?? rowWindow
    let input = PixelRect(
      x: region.x + inputColumns.lowerBound, y: region.y + inputRows.lowerBound, width: inputColumns.count,
      height: inputRows.count)
    let lostRows = region.height - resampling.outputHeight
    let isColumnPassFirst = lostRows > 0 && lostRows > (region.width - resampling.outputWidth) * 2
    switch (columns, rows) {
    case (let columns?, let rows?) where isColumnPassFirst:
      let image = verticalPass(rows, over: input)
      return image.horizontalPass(columns, over: image.bounds)
    case (let columns?, let rows?):
      let image = horizontalPass(columns, over: input)
      return image.verticalPass(rows, over: image.bounds)
    case (let columns?, nil): return horizontalPass(columns, over: input)
    case (nil, let rows?): return verticalPass(rows, over: input)
    case (nil, nil): return copied(input)
    }
  }

  /// Along the rows of `input`, whose width is that of the axis's inputs.
  private func horizontalPass(_ columns: ResampleAxis, over input: PixelRect) -> RGBImage {
    let outputWidth = columns.first.count
    let byteCount = outputWidth * input.height * 3
    var scratch = [UInt8](repeating: 0, count: 3 * input.width + 1)
    let output = [UInt8](unsafeUninitializedCapacity: byteCount) { output, count in
      pixels.withUnsafeBufferPointer { source in
        let start = UnsafeBufferPointer(rebasing: source[((input.y * width + input.x) * 3)...])
        columns.withTaps { taps in
          quern_resample_horizontal(
            start.baseAddress, width * 3, input.width, input.height, taps, &scratch, output.baseAddress)
        }
      }
      count = byteCount
    }
    return RGBImage(width: outputWidth, height: input.height, checked: output)
  }

  /// Along the columns of `input`, whose height is that of the axis's inputs.
  private func verticalPass(_ rows: ResampleAxis, over input: PixelRect) -> RGBImage {
    let outputHeight = rows.first.count
    let byteCount = input.width * outputHeight * 3
    let output = [UInt8](unsafeUninitializedCapacity: byteCount) { output, count in
      pixels.withUnsafeBufferPointer { source in
        let start = UnsafeBufferPointer(rebasing: source[((input.y * width + input.x) * 3)...])
        rows.withTaps { taps in
          quern_resample_vertical(start.baseAddress, width * 3, input.width * 3, taps, output.baseAddress)
        }
      }
      count = byteCount
    }
    return RGBImage(width: input.width, height: outputHeight, checked: output)
  }
}
