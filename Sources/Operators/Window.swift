import Graphs
import Tensors

/// A sliding window over a map: the geometry that convolutions and poolings share.
///
/// Padding may be negative: then the first window begins (or the last one ends) that far inside the map.
package struct Window: Hashable, Sendable {
  package var height: Int
  package var width: Int
  package var strideHeight: Int
  package var strideWidth: Int
  package var top: Int
  package var left: Int
  package var bottom: Int
  package var right: Int
  package var dilationHeight = 1
  package var dilationWidth = 1
  /// Round the output's extents up: the last window may begin inside the map and end outside it (PyTorch's ceil_mode).
  package var ceilMode = false

  /// A square window with equal strides and padding.
  package init(_ size: Int, stride: Int = 1, padding: Int = 0) {
    self.init(height: size, width: size, stride: stride, padding: padding)
  }

  package init(height: Int, width: Int, stride: Int = 1, padding: Int = 0) {
    (self.height, self.width, strideHeight, strideWidth) = (height, width, stride, stride)
    (top, left, bottom, right) = (padding, padding, padding, padding)
  }

  package var taps: Int { height * width }
  package var isPointwise: Bool {
    taps == 1 && strideHeight == 1 && strideWidth == 1 && top == 0 && left == 0 && bottom == 0 && right == 0
  }

  init(attributes: Attributes) throws(GraphError) {
    let kernel = try attributes.ints("kernel", count: 2)
    let stride = try attributes.ints("stride", count: 2)
    let padding = try attributes.ints("padding", count: 4)
    let dilation = try attributes.ints("dilation", count: 2)
    // The bounds keep every later product far from overflow, whatever a file says.
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
  }

  var attributes: Attributes {
    var result: Attributes = [
      "kernel": .ints([height, width]), "stride": .ints([strideHeight, strideWidth]),
      "padding": .ints([top, left, bottom, right]), "dilation": .ints([dilationHeight, dilationWidth]),
    ]
    if ceilMode { result["ceil_mode"] = .int(1) }
    return result
  }

  /// Height and width of the output for a map of `height` by `width`.
  ///
  /// - Throws: `GraphError.inputSize` where the padded map is smaller than the window.
  package func outputExtent(height mapHeight: Int, width mapWidth: Int) throws(GraphError) -> (height: Int, width: Int)
  {
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
    // One window more where something is left over and it begins inside the map or its leading padding.
    return ceilMode && free % stride != 0 && whole * stride < map + before ? whole + 1 : whole
  }

  /// Entries of the largest table of offsets: 512 MiB. A 7x7 window on 1024x1024 maps of 32 images stays below.
  static let indirectionLimit = 1 << 27

  /// For every output position of an NHWC batch and every tap, the offset of the tap's pixel from the start of the map in
  /// units of `pixelStride` per pixel, or `outside`; in the padding, `padding` where that is given.
  ///
  /// The output may be smaller than `outputExtent`: its top-left corner.
  ///
  /// - Throws: `GraphError.inputSize` where the map is too large for 32-bit offsets, or the table for the memory.
  func indirection(
    input: Shape, output: Shape, pixelStride: Int, outside: Int32, padding: Int32? = nil
  ) throws(GraphError) -> [Int32] {
    guard let entries = Shape([output.batch, output.height, output.width, taps]).checkedElementCount,
      entries <= Self.indirectionLimit,
      let reach = Shape([input.batch, input.height, input.width, pixelStride]).checkedElementCount,
      reach <= Int(Int32.max)
    else {
      throw .inputSize("a \(height)x\(width) window on a map of \(input) is too large; run fewer images at once")
    }
    let outputWidth = output.width
    let (mapHeight, mapWidth) = (input.height, input.width)
    // Of the taps of a row of the window, for each column of the output.
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
