import Graphs
import Tensors

extension Graph {
  /// The side of the smallest square image that makes sense for the network: its operators take it, and it is no smaller
  /// than the network's stride, below which the last map is made of padding more than of the image. `nil` if no side up
  /// to 1024 will do.
  package var leastSquareInput: Int? {
    // What is large enough for a network is so at every larger size, so halving finds the boundary.
    guard accepts(side: 1024) else { return nil }
    var (low, high) = (0, 1024)
    while high - low > 1 {
      let middle = (low + high) / 2
      if accepts(side: middle) { high = middle } else { low = middle }
    }
    return max(high, stride)
  }

  private func accepts(side: Int) -> Bool { (try? inferShapes(input: [1, side, side, 3])) != nil }

  /// Input pixels from one pixel of the most reduced map to the next: the product of the strides on the way to it.
  package var stride: Int {
    var strides = [Int](repeating: 1, count: valueCount)
    for node in nodes {
      let own: Int =
        switch node.op {
        case let convolution as Convolution: convolution.window.strideHeight
        case let pooling as MaxPooling: pooling.window.strideHeight
        case let pooling as AveragePooling: pooling.window.strideHeight
        default: 1
        }
      // A window slides over the first input; a fused residual is of the output's size already.
      let before = node.inputs.map { strides[$0.index] }
      let (product, overflow) = own.multipliedReportingOverflow(by: before.first ?? 1)
      strides[node.output.index] = overflow ? .max : before.dropFirst().reduce(product) { max($0, $1) }
    }
    return strides.max() ?? 1
  }
}
