/// The extents of a tensor, outermost first. Activations are NHWC; convolution weights are OHWI
/// (output channels, kernel height, kernel width, input channels of one group).
package struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral {
  /// The extent of each axis. A shape from a file may be invalid; see `checkedElementCount`.
  package var dimensions: [Int]

  /// A shape with the given extents, which are not checked.
  package init(_ dimensions: [Int]) { self.dimensions = dimensions }
  package init(arrayLiteral elements: Int...) { dimensions = elements }

  /// The number of axes; 0 for a scalar.
  package var rank: Int { dimensions.count }
  /// The extent of an axis, counted from the outermost. Traps unless the axis exists.
  package subscript(axis: Int) -> Int { dimensions[axis] }

  /// The number of elements, which is 1 for a scalar. `nil` if the product overflows or an extent is negative.
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

  /// The number of elements. Traps on overflow, so it is only for shapes that were checked or did not come from a file.
  package var elementCount: Int { dimensions.contains(0) ? 0 : dimensions.reduce(1, *) }

  /// Row-major strides in elements. If the extents of a shape without elements have a product that overflows, the
  /// strides wrap, which is harmless because no element is ever read with them.
  package var contiguousStrides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    for axis in stride(from: rank - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] &* Swift.max(dimensions[axis + 1], 1)
    }
    return strides
  }

  /// The number of images of an NHWC activation. Traps if the shape has no axes.
  package var batch: Int { dimensions[0] }
  /// The height of an NHWC activation, in pixels. Traps unless the shape has at least 2 axes.
  package var height: Int { dimensions[1] }
  /// The width of an NHWC activation, in pixels. Traps unless the shape has at least 3 axes.
  package var width: Int { dimensions[2] }
  /// The extent of the last axis, which is the number of channels of an NHWC activation. Traps if there is no axis.
  package var channels: Int { dimensions[dimensions.count - 1] }
}

extension Shape: CustomStringConvertible {
  package var description: String {
    dimensions.isEmpty ? "scalar" : dimensions.map(String.init).joined(separator: "x")
  }
}
