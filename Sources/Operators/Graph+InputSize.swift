import Graphs
import Tensors

extension Graph {
  /// The side of the smallest square image that is useful for the network: its operators can take it, and it is no
  /// smaller than the network's stride, below which the last map depends more on padding than on the image. `nil` if
  /// the network cannot take an image with a side of 1024.
  package var minSquareInput: Int? {
    // A network that can take a size can take all larger ones, so a binary search finds the smallest.
    guard accepts(side: 1024) else { return nil }
    var (low, high) = (0, 1024)
    while high - low > 1 {
      let middle = (low + high) / 2
      if accepts(side: middle) { high = middle } else { low = middle }
    }
    return max(high, stride)
  }

  private func accepts(side: Int) -> Bool { (try? inferShapes(input: [1, side, side, 3])) != nil }

  /// The distance in input pixels between neighbouring pixels of the map with the lowest resolution: the product of the
  /// strides of the layers before it, divided by the factors by which maps are enlarged.
  package var stride: Int {
    var strides = [Int](repeating: 1, count: valueCount)
    for node in nodes {
      let nodeStride: Int =
        switch node.op {
        case let convolution as Convolution: convolution.window.strideHeight
        case let pooling as MaxPooling: pooling.window.strideHeight
        case let pooling as AveragePooling: pooling.window.strideHeight
        default: 1
        }
      if let resizing = node.op as? Resizing {
        strides[node.output.index] = max(1, strides[node.inputs[0].index] / resizing.smallestFactor)
        continue
      }
      // A window slides over the first input; a fused residual already has the output's resolution.
      let before = node.inputs.map { strides[$0.index] }
      let (product, overflow) = nodeStride.multipliedReportingOverflow(by: before.first ?? 1)
      strides[node.output.index] = overflow ? .max : before.dropFirst().reduce(product) { max($0, $1) }
    }
    return strides.max() ?? 1
  }
}
