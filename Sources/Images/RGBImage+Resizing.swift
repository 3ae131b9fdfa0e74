import CImageCodecs

/// A rectangle in fractional pixels, like the argument `box` of Pillow's `resize`.
package struct SampleBox: Hashable, Sendable {
  /// In pixels from the left edge.
  package var left: Float
  /// In pixels from the top edge.
  package var top: Float
  /// In pixels from the left edge.
  package var right: Float
  /// In pixels from the top edge.
  package var bottom: Float

  package init(left: Float, top: Float, right: Float, bottom: Float) {
    self.left = left
    self.top = top
    self.right = right
    self.bottom = bottom
  }
}

/// One resize: the part of the image to read, the size to resize it to, and the part of the result to compute.
struct Resampling {
  /// The part of the image that is read; it is treated as the whole image.
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
  /// The largest side of a resized image, in pixels: far beyond the inputs of networks, and still little memory.
  package static let maximumSide = 8192

  /// Resizes by one of Pillow's antialiased filters, bit for bit `image.resize((width, height), filter, box)`.
  ///
  /// - Parameter box: the part of the image that fills the result, by default all of it. Samples outside of the box
  ///   still contribute at its edges; `resized(width:height:cropping:filter:)` resizes a crop by itself.
  /// - Throws: `ImageError.invalidGeometry` if the box is empty or exceeds the image, or if a side is not in
  ///   1...`maximumSide`.
  package func resized(
    width: Int, height: Int, box: SampleBox? = nil, filter: ResizeFilter = .bilinear
  ) throws(ImageError) -> RGBImage {
    let full = SampleBox(left: 0, top: 0, right: Float(self.width), bottom: Float(self.height))
    let box = box ?? full
    guard box.left >= 0, box.top >= 0, box.right <= full.right, box.bottom <= full.bottom,
      box.left < box.right, box.top < box.bottom
    else {
      throw .invalidGeometry(
        "the box (\(box.left), \(box.top), \(box.right), \(box.bottom)) is empty or exceeds the image of "
          + "\(self.width)x\(self.height)")
    }
    try Self.checkOutput(width: width, height: height)
    return resampled(
      Resampling(
        region: bounds, box: box, outputWidth: width, outputHeight: height,
        window: PixelRect(x: 0, y: 0, width: width, height: height), filter: filter))
  }

  /// Crops, then resizes the crop: bit for bit `image.crop(...).resize((width, height), filter)`.
  ///
  /// - Throws: `ImageError.invalidGeometry` if the crop is empty or does not lie inside the image, or if a side is not
  ///   in 1...`maximumSide`.
  package func resized(
    width: Int, height: Int, cropping rect: PixelRect, filter: ResizeFilter = .bilinear
  ) throws(ImageError) -> RGBImage {
    guard rect.fits(width: self.width, height: self.height) else {
      throw .invalidGeometry("a crop of \(rect) does not lie inside an image of \(self.width)x\(self.height)")
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

  /// Makes two passes with rounding to 8 bits in between, in Pillow's order: along the rows first, unless the height
  /// shrinks by more than twice as many pixels as the width. (Pillow before 13 had only one order; its results differ
  /// by one step in some pixels of images that are much taller than wide.) A pass that changes nothing is skipped.
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

    // Only the inputs of the window are read.
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

  /// Resamples along the rows of `input`, whose width is the number of the axis's inputs.
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

  /// Resamples along the columns of `input`, whose height is the number of the axis's inputs.
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
