import Graphs
import Tensors

/// A sliding window over a map: the geometry that convolutions and poolings share.
///
/// Padding may be negative: then the first window begins (or the last one ends) that far inside the map. Packages may
/// have sizes, strides and dilations from 1 to 1024, and padding from -1024 to 1024.
package struct Window: Hashable, Sendable {
  /// Rows of taps.
  package var height: Int
  /// Columns of taps.
  package var width: Int
  /// Rows of the map from one window to the next.
  package var strideHeight: Int
  /// Columns of the map from one window to the next.
  package var strideWidth: Int
  /// Rows of padding above the map.
  package var top: Int
  /// Columns of padding to the left of the map.
  package var left: Int
  /// Rows of padding below the map.
  package var bottom: Int
  /// Columns of padding to the right of the map.
  package var right: Int
  /// Rows of the map from one tap to the next.
  package var dilationHeight = 1
  /// Columns of the map from one tap to the next.
  package var dilationWidth = 1
  /// Whether the output's size is rounded up: the last window may begin inside the map and end outside of it (PyTorch's
  /// `ceil_mode`).
  package var ceilMode = false
  /// Whether the padding follows from the size of the map, as with TensorFlow's "SAME" and ONNX's `SAME_UPPER`: the
  /// output has `ceil(size / stride)` rows, for which the map is padded as little as possible, with half of it, rounded
  /// down, before the map. The stored padding is 0 then, all dilations are 1, and there is no ceil mode.
  package private(set) var padsToSize = false

  /// A square window with equal strides and padding.
  package init(_ size: Int, stride: Int = 1, padding: Int = 0) {
    self.init(height: size, width: size, stride: stride, padding: padding)
  }

  /// A window with equal strides and equal padding on all sides.
  package init(height: Int, width: Int, stride: Int = 1, padding: Int = 0) {
    (self.height, self.width, strideHeight, strideWidth) = (height, width, stride, stride)
    (top, left, bottom, right) = (padding, padding, padding, padding)
  }

  /// Makes the padding follow from the size of the map, unless there is no stride, where it is the same for all sizes.
  ///
  /// - Precondition: all dilations are 1, and ceil mode is off.
  package mutating func padLikeTensorFlow() {
    precondition(dilationHeight == 1 && dilationWidth == 1 && !ceilMode, "such padding has a single definition only")
    (top, left, bottom, right) = (0, 0, 0, 0)
    if strideHeight == 1, strideWidth == 1 {
      (top, left) = ((height - 1) / 2, (width - 1) / 2)
      (bottom, right) = (height - 1 - top, width - 1 - left)
    } else {
      padsToSize = true
    }
  }

  /// This window with the padding that it has on a map of a height and width.
  package func resolved(height mapHeight: Int, width mapWidth: Int) -> Window {
    guard padsToSize else { return self }
    func total(_ size: Int, _ kernel: Int, _ stride: Int) -> Int {
      max(0, kernel - (size % stride == 0 ? stride : size % stride))
    }
    var result = self
    result.padsToSize = false
    let (rows, columns) = (total(mapHeight, height, strideHeight), total(mapWidth, width, strideWidth))
    (result.top, result.left) = (rows / 2, columns / 2)
    (result.bottom, result.right) = (rows - rows / 2, columns - columns / 2)
    return result
  }

  /// The number of taps.
  package var taps: Int { height * width }
  /// Whether the output has a position for each pixel of the map, which has that pixel as its only tap.
  package var isPointwise: Bool {
    taps == 1 && strideHeight == 1 && strideWidth == 1 && top == 0 && left == 0 && bottom == 0 && right == 0
  }

  init(attributes: Attributes) throws(GraphError) {
    let kernel = try attributes.ints("kernel", count: 2)
    let stride = try attributes.ints("stride", count: 2)
    let padding = try attributes.ints("padding", count: 4)
    let dilation = try attributes.ints("dilation", count: 2)
    // These bounds keep every later product far from overflow, whatever a file contains.
    guard kernel.allSatisfy({ 1...1024 ~= $0 }) else { throw .attribute(name: "kernel", expected: "from 1 to 1024") }
    guard stride.allSatisfy({ 1...1024 ~= $0 }) else { throw .attribute(name: "stride", expected: "from 1 to 1024") }
    guard padding.allSatisfy({ -1024...1024 ~= $0 }) else {
      throw .attribute(name: "padding", expected: "from -1024 to 1024")
    }
    guard dilation.allSatisfy({ 1...1024 ~= $0 }) else {
      throw .attribute(name: "dilation", expected: "from 1 to 1024")
    }
    self.init(height: kernel[0], width: kernel[1])
    (strideHeight, strideWidth) = (stride[0], stride[1])
    (top, left, bottom, right) = (padding[0], padding[1], padding[2], padding[3])
    (dilationHeight, dilationWidth) = (dilation[0], dilation[1])
    ceilMode = try attributes.flag("ceil_mode")
    padsToSize = try attributes.flag("pads_to_size")
    guard !padsToSize || padding + dilation == [0, 0, 0, 0, 1, 1] && !ceilMode && stride.contains(where: { $0 > 1 })
    else {
      throw .attribute(
        name: "pads_to_size", expected: "absent without a stride, or with padding, dilation or ceil mode")
    }
  }

  var attributes: Attributes {
    var result: Attributes = [
      "kernel": .ints([height, width]), "stride": .ints([strideHeight, strideWidth]),
      "padding": .ints([top, left, bottom, right]), "dilation": .ints([dilationHeight, dilationWidth]),
    ]
    if ceilMode { result["ceil_mode"] = .int(1) }
    if padsToSize { result["pads_to_size"] = .int(1) }
    return result
  }

  /// The height and width of the output for a map of a height and width.
  ///
  /// - Throws: `GraphError.inputSize` where the padded map is smaller than the window.
  package func outputExtent(height mapHeight: Int, width mapWidth: Int) throws(GraphError) -> (height: Int, width: Int)
  {
    guard !padsToSize else {
      return try resolved(height: mapHeight, width: mapWidth).outputExtent(height: mapHeight, width: mapWidth)
    }
    let spanHeight = (height - 1) * dilationHeight + 1
    let spanWidth = (width - 1) * dilationWidth + 1
    let freeHeight = mapHeight + top + bottom - spanHeight
    let freeWidth = mapWidth + left + right - spanWidth
    guard freeHeight >= 0, freeWidth >= 0, mapHeight > 0, mapWidth > 0 else {
      throw .inputSize("a \(mapHeight)x\(mapWidth) map is smaller than the \(spanHeight)x\(spanWidth) window")
    }
    return (
      extent(free: freeHeight, stride: strideHeight, before: top, map: mapHeight),
      extent(free: freeWidth, stride: strideWidth, before: left, map: mapWidth)
    )
  }

  private func extent(free: Int, stride: Int, before: Int, map: Int) -> Int {
    let whole = free / stride + 1
    // Rounded up, there is one more window, if it begins inside the map or the padding before it.
    return ceilMode && free % stride != 0 && whole * stride < map + before ? whole + 1 : whole
  }

  /// The maximum number of entries of a table of offsets: 512 MiB. A 7x7 convolution of stride 2 on 32 images of
  /// 1024x1024 pixels stays below it, since kernel rows are single taps on maps with few channels.
  static let indirectionLimit = 1 << 27

  /// The number of entries of the table that `indirection` returns.
  ///
  /// - Throws: As `indirection`.
  func indirectionCount(input: Shape, output: Shape, pixelStride: Int) throws(GraphError) -> Int {
    guard let entries = Shape([output.batch, output.height, output.width, taps]).checkedElementCount,
      entries <= Self.indirectionLimit,
      let reach = Shape([input.batch, input.height, input.width, pixelStride]).checkedElementCount,
      reach <= Int(Int32.max)
    else {
      throw .inputSize("a \(height)x\(width) window on a map of \(input) is too large; run fewer images at once")
    }
    return entries
  }

  /// The offset of the pixel of every tap from the start of the map, for all output positions of an NHWC batch.
  ///
  /// - Parameters:
  ///   - input: The shape of the map.
  ///   - output: The shape of the output. It may be smaller than `outputExtent`, and is its top-left corner then.
  ///   - pixelStride: The distance between neighbouring pixels in the unit of the offsets.
  ///   - outside: The offset of taps outside the map.
  ///   - padding: The offset of taps in the padding, where it differs from `outside`.
  /// - Returns: [N, H, W, taps].
  /// - Throws: `GraphError.inputSize` where the map is too large for 32-bit offsets, or the table has more entries than
  ///   `indirectionLimit`.
  func indirection(
    input: Shape, output: Shape, pixelStride: Int, outside: Int32, padding: Int32? = nil
  ) throws(GraphError) -> [Int32] {
    let entries = try indirectionCount(input: input, output: output, pixelStride: pixelStride)
    guard !padsToSize else {
      return try resolved(height: input.height, width: input.width).indirection(
        input: input, output: output, pixelStride: pixelStride, outside: outside, padding: padding)
    }
    let outputWidth = output.width
    let (mapHeight, mapWidth) = (input.height, input.width)
    // The column of the map for each column of the output and each tap of a window's row.
    let columns = (0..<outputWidth * width).map { index -> Int in
      index / width * strideWidth - left + index % width * dilationWidth
    }
    let line = outputWidth * taps
    return [Int32](unsafeUninitializedCapacity: entries) { offsets, count in
      count = entries
      for row in 0..<output.batch * output.height {
        let (image, y) = (row / output.height, row % output.height)
        for ky in 0..<height {
          let mapRow = y * strideHeight - top + ky * dilationHeight
          let isInside = mapRow >= 0 && mapRow < mapHeight
          let first = (image * mapHeight + mapRow) * mapWidth
          let paddingOrOutside = mapRow < mapHeight + bottom ? padding ?? outside : outside
          var entry = row * line + ky * width
          for x in 0..<outputWidth {
            for kx in 0..<width {
              let column = columns[x * width + kx]
              offsets[entry + kx] =
                if isInside && column >= 0 && column < mapWidth {
                  Int32(truncatingIfNeeded: (first + column) * pixelStride)
                } else {
                  column < mapWidth + right ? paddingOrOutside : outside
                }
            }
            entry += taps
          }
        }
      }
    }
  }
}
