/// The extents of a tensor, outermost first. Activations are NHWC; convolution weights are OHWI
/// (output channels, kernel height, kernel width, input channels of one group).
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral {
  public var dimensions: [Int]

  public init(_ dimensions: [Int]) { self.dimensions = dimensions }
  public init(arrayLiteral elements: Int...) { dimensions = elements }

  public var rank: Int { dimensions.count }
  public subscript(axis: Int) -> Int { dimensions[axis] }

  /// The number of elements; a 0-d tensor has one. `nil` where the product overflows or an extent is negative.
  public var checkedElementCount: Int? {
    if dimensions.allSatisfy({ $0 >= 0 }) && dimensions.contains(0) { return 0 }
    var count = 1
    for extent in dimensions {
      guard extent >= 0 else { return nil }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      count = product
    }
    return count
  }

  /// The number of elements. Traps on overflow: for shapes that did not come from a file, or were checked.
  public var elementCount: Int { dimensions.contains(0) ? 0 : dimensions.reduce(1, *) }

  /// Row-major strides in elements. Where a shape without elements has extents whose product overflows, the strides wrap:
  /// nothing is ever read by them.
  public var contiguousStrides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    for axis in stride(from: rank - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] &* Swift.max(dimensions[axis + 1], 1)
    }
    return strides
  }

  // Names for the axes of an NHWC activation. Traps unless the rank is 4.
  public var batch: Int { dimensions[0] }
  public var height: Int { dimensions[1] }
  public var width: Int { dimensions[2] }
  public var channels: Int { dimensions[dimensions.count - 1] }
}

extension Shape: CustomStringConvertible {
  public var description: String {
    dimensions.isEmpty ? "scalar" : dimensions.map(String.init).joined(separator: "x")
  }
}
