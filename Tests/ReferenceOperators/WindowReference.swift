import Operators
import Tensors

/// Sliding windows by counting, as PyTorch defines them.
package enum WindowReference {
  /// The window with padding that TensorFlow's "SAME" has on a map, by its definition.
  private static func padded(_ window: Window, height: Int, width: Int) -> Window {
    guard window.padsToSize else { return window }
    func padding(_ size: Int, _ kernel: Int, _ stride: Int) -> Int {
      max(((size + stride - 1) / stride - 1) * stride + kernel - size, 0)
    }
    var result = Window(height: window.height, width: window.width)
    (result.strideHeight, result.strideWidth) = (window.strideHeight, window.strideWidth)
    let rows = padding(height, window.height, window.strideHeight)
    let columns = padding(width, window.width, window.strideWidth)
    (result.top, result.left) = (rows / 2, columns / 2)
    (result.bottom, result.right) = (rows - result.top, columns - result.left)
    return result
  }

  package static func extent(_ window: Window, height: Int, width: Int) -> (height: Int, width: Int) {
    let window = padded(window, height: height, width: width)
    return (
      positions(
        height, window.height, window.strideHeight, window.dilationHeight, window.top, window.bottom, window.ceilMode),
      positions(
        width, window.width, window.strideWidth, window.dilationWidth, window.left, window.right, window.ceilMode)
    )
  }

  private static func positions(
    _ size: Int, _ kernel: Int, _ stride: Int, _ dilation: Int, _ before: Int, _ after: Int, _ ceil: Bool
  ) -> Int {
    let span = (kernel - 1) * dilation + 1
    var count = 0
    // A position counts if its window ends inside the padded map; with ceil mode, if the one before it left something
    // over and it begins inside the map or the padding before it.
    while true {
      let start = count * stride
      let fits = start + span <= size + before + after
      let reaches = ceil && count > 0 && start - stride + span < size + before + after && start < size + before
      guard fits || reaches else { return count }
      count += 1
    }
  }

  /// The pixel that each tap of one output position reads, in the map's row-major order; `nil` outside.
  package static func taps(_ window: Window, position: Int, input: Shape, output: Shape) -> [Int?] {
    let window = padded(window, height: input.height, width: input.width)
    let image = position / (output.height * output.width)
    let (y, x) = (position / output.width % output.height, position % output.width)
    var result: [Int?] = []
    for ky in 0..<window.height {
      for kx in 0..<window.width {
        let row = y * window.strideHeight + ky * window.dilationHeight - window.top
        let column = x * window.strideWidth + kx * window.dilationWidth - window.left
        let isInside = (0..<input.height).contains(row) && (0..<input.width).contains(column)
        result.append(isInside ? (image * input.height + row) * input.width + column : nil)
      }
    }
    return result
  }

  /// How many taps of one output position lie in the padding, outside the map.
  package static func paddingTaps(_ window: Window, position: Int, input: Shape, output: Shape) -> Int {
    let window = padded(window, height: input.height, width: input.width)
    let (y, x) = (position / output.width % output.height, position % output.width)
    var count = 0
    for ky in 0..<window.height {
      for kx in 0..<window.width {
        let row = y * window.strideHeight + ky * window.dilationHeight - window.top
        let column = x * window.strideWidth + kx * window.dilationWidth - window.left
        let isInside = (0..<input.height).contains(row) && (0..<input.width).contains(column)
        if !isInside, row < input.height + window.bottom, column < input.width + window.right { count += 1 }
      }
    }
    return count
  }
}

/// Maps cropped to their common top-left corner.
package enum CornerReference {
  /// The pixel of `map` where `output` has the pixel `position`.
  package static func pixel(_ position: Int, of output: Shape, in map: Shape) -> Int {
    let image = position / (output.height * output.width)
    let (y, x) = (position / output.width % output.height, position % output.width)
    return (image * map.height + y) * map.width + x
  }

  package static func shape(_ maps: [Shape], channels: Int) -> Shape {
    if maps.allSatisfy({ $0.rank == 2 }) { return [maps[0].batch, channels] }
    return [maps[0].batch, maps.map(\.height).min() ?? 0, maps.map(\.width).min() ?? 0, channels]
  }

  /// The elements of `map` that `output`, of as many channels, has in their places; those of rows as they are.
  package static func cropped<Element>(_ elements: [Element], _ map: Shape, to output: Shape) -> [Element] {
    if map.rank == 2 || map == output { return elements }
    return (0..<output.batch * output.height * output.width).flatMap { position in
      let first = pixel(position, of: output, in: map) * map.channels
      return Array(elements[first..<first + map.channels])
    }
  }
}
