import Graphs
import Tensors

extension Convolution: ParallelMergingOperator {
  /// A smaller kernel is a larger one with zeros around it, and many groups are fewer ones with zeros between them.
  /// Sums are taken in double precision.
  package func merged(
    _ constants: [String: Tensor], with other: any ParallelMergingOperator, _ otherConstants: [String: Tensor]
  ) -> (op: any Operator, constants: [String: Tensor])? {
    guard let other = other as? Convolution, let weight = constants["weight"],
      let otherWeight = otherConstants["weight"]
    else { return nil }
    if let origin = origin(of: other, otherWeight, in: weight) {
      return Self.sum(
        self, weight, constants["bias"], otherWeight, otherConstants["bias"], groups: other.groups, origin)
    }
    if let origin = other.origin(of: self, weight, in: otherWeight) {
      return Self.sum(other, otherWeight, otherConstants["bias"], weight, constants["bias"], groups: groups, origin)
    }
    return nil
  }

  /// The tap of this convolution that reads what the first tap of another reads, where every tap of the other has one
  /// and both outputs have the same size for all maps; otherwise `nil`.
  private func origin(of small: Convolution, _ smallWeight: Tensor, in weight: Tensor) -> (row: Int, column: Int)? {
    let (outer, inner) = (window, small.window)
    guard activation == .none, small.activation == .none, !readsInputRemainder, !small.readsInputRemainder,
      weight.elementType == .float32, smallWeight.elementType == .float32, weight.shape.rank == 4,
      smallWeight.shape.rank == 4, weight.shape[0] == smallWeight.shape[0],
      weight.shape[1] == outer.height, weight.shape[2] == outer.width, smallWeight.shape[1] == inner.height,
      smallWeight.shape[2] == inner.width, weight.shape[3] * groups == smallWeight.shape[3] * small.groups,
      small.groups % groups == 0, weight.shape[0] % small.groups == 0,
      outer.strideHeight == inner.strideHeight, outer.strideWidth == inner.strideWidth, !outer.ceilMode,
      !inner.ceilMode
    else { return nil }
    // Padding that depends on the map's size moves the taps of different windows differently.
    if outer.padsToSize || inner.padsToSize { return outer == inner ? (0, 0) : nil }
    guard
      let row = Self.origin(
        of: (inner.height, inner.dilationHeight, inner.top, inner.bottom),
        in: (outer.height, outer.dilationHeight, outer.top, outer.bottom)),
      let column = Self.origin(
        of: (inner.width, inner.dilationWidth, inner.left, inner.right),
        in: (outer.width, outer.dilationWidth, outer.left, outer.right))
    else { return nil }
    return (row, column)
  }

  /// The same along one axis.
  private typealias Axis = (taps: Int, dilation: Int, before: Int, after: Int)
  private static func origin(of inner: Axis, in outer: Axis) -> Int? {
    guard inner.taps == 1 || inner.dilation == outer.dilation else { return nil }
    let shift = outer.before - inner.before
    let growth = { (axis: Axis) in axis.before + axis.after - (axis.taps - 1) * axis.dilation }
    guard growth(inner) == growth(outer), shift >= 0, shift % outer.dilation == 0 else { return nil }
    let tap = shift / outer.dilation
    return tap + inner.taps <= outer.taps ? tap : nil
  }

  private static func sum(
    _ op: Convolution, _ weight: Tensor, _ bias: Tensor?, _ small: Tensor, _ smallBias: Tensor?, groups: Int,
    _ origin: (row: Int, column: Int)
  ) -> (op: any Operator, constants: [String: Tensor])? {
    let outputs = weight.shape[0]
    var sums = weight.elements(as: Float.self).map { Double($0) }
    let (depth, smallDepth) = (weight.shape[3], small.shape[3])
    let (outputsPerGroup, outputsPerSmallGroup) = (outputs / op.groups, outputs / groups)
    small.withElements(as: Float.self) { added in
      for output in 0..<outputs {
        // The first input channel of the small group, counted within the group that it lies in.
        let first = output / outputsPerSmallGroup * smallDepth - output / outputsPerGroup * depth
        for row in 0..<small.shape[1] {
          for column in 0..<small.shape[2] {
            let source = ((output * small.shape[1] + row) * small.shape[2] + column) * smallDepth
            let target =
              ((output * weight.shape[1] + row + origin.row) * weight.shape[2] + column + origin.column) * depth + first
            for channel in 0..<smallDepth { sums[target + channel] += Double(added[source + channel]) }
          }
        }
      }
    }
    var constants = ["weight": Tensor(sums.map { Float($0) }, shape: weight.shape)]
    let biases = [bias, smallBias].compactMap { $0 }
    guard biases.allSatisfy({ $0.elementType == .float32 && $0.elementCount == outputs }) else { return nil }
    if let first = biases.first?.elements(as: Float.self) {
      let second = biases.count > 1 ? biases[1].elements(as: Float.self) : [Float](repeating: 0, count: outputs)
      constants["bias"] = Tensor(zip(first, second).map { Float(Double($0) + Double($1)) })
    }
    return (op, constants)
  }
}
