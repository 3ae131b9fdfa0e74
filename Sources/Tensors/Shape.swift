/// The extents of a tensor, outermost first. Activations are NHWC; convolution weights are OHWI
/// (output channels, kernel height, kernel width, input channels of one group).
package struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral {
  package var dimensions: [Int]

  package init(_ dimensions: [Int]) { self.dimensions = dimensions }
  package init(arrayLiteral elements: Int...) { dimensions = elements }

  package var rank: Int { dimensions.count }
  package subscript(axis: Int) -> Int { dimensions[axis] }

  /// The number of elements; a 0-d tensor has one. `nil` where the product overflows or an extent is negative.
  package var checkedElementCount: Int? {
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
  package var elementCount: Int { dimensions.contains(0) ? 0 : dimensions.reduce(1, *) }

  /// Row-major strides in elements. Where a shape without elements has extents whose product overflows, the strides wrap:
  /// nothing is ever read by them.
  package var contiguousStrides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    for axis in stride(from: rank - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] &* Swift.max(dimensions[axis + 1], 1)
    }
    return strides
  }

  // Names for the axes of an NHWC activation. Traps unless the rank is 4.
  package var batch: Int { dimensions[0] }
  package var height: Int { dimensions[1] }
  package var width: Int { dimensions[2] }
  package var channels: Int { dimensions[dimensions.count - 1] }
}

extension Shape: CustomStringConvertible {
  package var description: String {
    dimensions.isEmpty ? "scalar" : dimensions.map(String.init).joined(separator: "x")
  }
}
