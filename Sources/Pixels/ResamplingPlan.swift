import CResampling

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

/// A resize with its weights computed, for images of one size. Running it allocates no memory.
///
/// It makes two passes with rounding to 8 bits in between, in Pillow's order: along the rows first, unless the height
/// shrinks by more than twice as many pixels as the width. (Pillow before 13 had only one order; its results differ by
/// one step in some pixels of images that are much taller than wide.) A pass that changes nothing is skipped.
package struct ResamplingPlan: Sendable {
  private enum Passes {
    case copy
    case horizontal(ResampleAxis)
    case vertical(ResampleAxis)
    case horizontalThenVertical(ResampleAxis, ResampleAxis)
    case verticalThenHorizontal(ResampleAxis, ResampleAxis)
  }

  private let passes: Passes
  /// The part of the image that is read.
  private let input: PixelRect
  /// The width of the result in pixels.
  package let width: Int
  /// The height of the result in pixels.
  package let height: Int

  init(_ resampling: Resampling) {
    let (region, box, window) = (resampling.region, resampling.box, resampling.window)
    (width, height) = (window.width, window.height)
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
    input = PixelRect(
      x: region.x + inputColumns.lowerBound, y: region.y + inputRows.lowerBound, width: inputColumns.count,
      height: inputRows.count)
    let lostRows = region.height - resampling.outputHeight
    let isColumnPassFirst = lostRows > 0 && lostRows > (region.width - resampling.outputWidth) * 2
    switch (columns, rows) {
    case (let columns?, let rows?) where isColumnPassFirst: passes = .verticalThenHorizontal(rows, columns)
    case (let columns?, let rows?): passes = .horizontalThenVertical(columns, rows)
    case (let columns?, nil): passes = .horizontal(columns)
    case (nil, let rows?): passes = .vertical(rows)
    case (nil, nil): passes = .copy
    }
  }

  /// The number of bytes of the result, `height * width * 3`.
  package var byteCount: Int { width * height * 3 }

  /// The number of bytes of scratch memory that `run` needs.
  package var scratchByteCount: Int {
    switch passes {
    case .copy, .vertical: 0
    case .horizontal: rowByteCount(input.width)
    case .horizontalThenVertical: width * input.height * 3 + rowByteCount(input.width)
    case .verticalThenHorizontal: input.width * height * 3 + rowByteCount(input.width)
    }
  }

  /// The bytes that a pass along rows copies a row to.
  private func rowByteCount(_ width: Int) -> Int { 3 * width + 1 }

  /// The number of bytes that this value takes, which are those of the weights.
  package var weightByteCount: Int {
    switch passes {
    case .copy: 0
    case .horizontal(let axis), .vertical(let axis): axis.byteCount
    case .horizontalThenVertical(let first, let second), .verticalThenHorizontal(let first, let second):
      first.byteCount + second.byteCount
    }
  }

  /// Resizes an image.
  ///
  /// - Parameters:
  ///   - image: the first byte of the first row of interleaved RGB.
  ///   - stride: the number of bytes from one row to the next.
  ///   - scratch: `scratchByteCount` bytes.
  ///   - result: receives `byteCount` bytes, rows without gaps.
  package func run(
    _ image: UnsafePointer<UInt8>, stride: Int, scratch: UnsafeMutablePointer<UInt8>?,
    to result: UnsafeMutablePointer<UInt8>?
  ) {
    guard let result else { return }
    let source = image + input.y * stride + input.x * 3
    switch passes {
    case .copy:
      for y in 0..<height { (result + y * width * 3).update(from: source + y * stride, count: width * 3) }
    case .horizontal(let columns):
      horizontalPass(columns, source, stride, rows: input.height, scratch, result)
    case .vertical(let rows):
      rows.withTaps { quern_resample_vertical(source, stride, input.width * 3, $0, result) }
    case .horizontalThenVertical(let columns, let rows):
      guard let scratch else { return }
      horizontalPass(columns, source, stride, rows: input.height, scratch + width * input.height * 3, scratch)
      rows.withTaps { quern_resample_vertical(scratch, width * 3, width * 3, $0, result) }
    case .verticalThenHorizontal(let rows, let columns):
      guard let scratch else { return }
      rows.withTaps { quern_resample_vertical(source, stride, input.width * 3, $0, scratch) }
      horizontalPass(
        columns, scratch, input.width * 3, rows: height, scratch + input.width * height * 3, result)
    }
  }

  private func horizontalPass(
    _ columns: ResampleAxis, _ source: UnsafePointer<UInt8>, _ stride: Int, rows: Int,
    _ row: UnsafeMutablePointer<UInt8>?, _ target: UnsafeMutablePointer<UInt8>
  ) {
    columns.withTaps { quern_resample_horizontal(source, stride, input.width, rows, $0, row, target) }
  }
}
