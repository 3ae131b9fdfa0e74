import Tensors

extension Graph {
  /// The side of the smallest square image that the network can take; `nil` if none up to 1024 is enough.
  public var leastSquareInput: Int? {
    // What is large enough for a network is so at every larger size, so halving finds the boundary.
    guard accepts(side: 1024) else { return nil }
    var (low, high) = (0, 1024)
    while high - low > 1 {
      let middle = (low + high) / 2
      if accepts(side: middle) { high = middle } else { low = middle }
    }
    return high
  }

  private func accepts(side: Int) -> Bool { (try? inferShapes(input: [1, side, side, 3])) != nil }
}
