import Checkpoints
import Tensors

/// ONNX's rules for shapes. All sizes are checked, as they may come from a malicious file.
enum ONNXShapes {
  /// Whether a shape has few enough axes and elements for arithmetic on its extents. Axes of extent 0 do not count, as
  /// products of the others and loops over them are those of any shape.
  static func isPossible(_ shape: Shape) -> Bool {
    guard shape.rank <= 16, let count = product(shape.dimensions.filter { $0 != 0 }) else { return false }
    return count <= 1 << 40
  }

  /// The product of extents; `nil` if it overflows or one is negative.
  static func product(_ extents: some Sequence<Int>) -> Int? { Shape(Array(extents)).checkedElementCount }

  /// The output of `Shape`, with its attributes `start` and `end` (opset 15).
  static func slice(_ dimensions: [Int], _ node: ONNXModel.Node) -> [Int] {
    func bound(_ name: String, _ fallback: Int) -> Int {
      guard case .int(let value)? = node.attributes[name] else { return fallback }
      return min(max(value < 0 ? value + dimensions.count : value, 0), dimensions.count)
    }
    let start = bound("start", 0)
    return Array(dimensions[start..<max(start, bound("end", dimensions.count))])
  }

  /// The output shape of `Reshape`: 0 keeps an extent, and -1 stands for the one that follows from the number of
  /// elements. `nil` where the elements do not fit.
  static func reshape(_ shape: Shape, to requested: [Int], allowsZero: Bool = false) -> Shape? {
    guard let count = shape.checkedElementCount, requested.count <= 16 else { return nil }
    var result: [Int] = []
    for (axis, extent) in requested.enumerated() {
      if extent == 0, !allowsZero {
        guard axis < shape.rank else { return nil }
        result.append(shape[axis])
      } else {
        result.append(extent)
      }
    }
    if let open = result.firstIndex(of: -1) {
      result[open] = 1
      guard let others = Shape(result).checkedElementCount, others > 0, count % others == 0 else { return nil }
      result[open] = count / others
    }
    let target = Shape(result)
    return target.checkedElementCount == count && isPossible(target) ? target : nil
  }

  /// The output shape of `Flatten`: the axes before and from `axis` on, each merged into one; `nil` where there is no
  /// such axis.
  static func flatten(_ shape: Shape, axis: Int) -> Shape? {
    let axis = axis < 0 ? axis &+ shape.rank : axis
    guard axis >= 0, axis <= shape.rank, let outer = product(shape.dimensions[..<axis]),
      let inner = product(shape.dimensions[axis...])
    else { return nil }
    let result: Shape = [outer, inner]
    return isPossible(result) ? result : nil
  }

  /// A set of axes, counted from 0; `nil` where one does not exist or is repeated.
  static func axes(_ axes: [Int], rank: Int) -> Set<Int>? {
    var result: Set<Int> = []
    for axis in axes {
      guard axis >= -rank, axis < rank, result.insert(axis < 0 ? axis + rank : axis).inserted else { return nil }
    }
    return result
  }

  /// A list of axes, counted from 0, in the order given; `nil` as for `axes`.
  static func list(_ requested: [Int], rank: Int) -> [Int]? {
    guard axes(requested, rank: rank) != nil else { return nil }
    return requested.map { $0 < 0 ? $0 + rank : $0 }
  }

  /// The output shape of `Squeeze`, where no list of axes, or in ONNX Runtime an empty one, stands for all of extent 1;
  /// `nil` where an axis does not exist or has another extent.
  static func squeeze(_ shape: Shape, _ requested: [Int]?) -> Shape? {
    let all = shape.dimensions.indices.filter { shape[$0] == 1 }
    let listed = requested ?? []
    guard let taken = axes(listed.isEmpty ? all : listed, rank: shape.rank), taken.allSatisfy({ shape[$0] == 1 })
    else { return nil }
    return Shape(shape.dimensions.indices.filter { !taken.contains($0) }.map { shape[$0] })
  }

  /// The output shape of `Unsqueeze`; `nil` where an axis does not exist.
  static func unsqueeze(_ shape: Shape, _ requested: [Int]) -> Shape? {
    let rank = shape.rank + requested.count
    guard rank <= 16, let added = axes(requested, rank: rank) else { return nil }
    var extents = shape.dimensions[...]
    return Shape((0..<rank).map { added.contains($0) ? 1 : extents.removeFirst() })
  }

  /// The indices that `Slice` takes along one axis; `nil` for a step of 0.
  static func range(_ start: Int, _ end: Int, _ step: Int, extent: Int) -> [Int]? {
    guard step != 0 else { return nil }
    func clamped(_ index: Int, _ bounds: ClosedRange<Int>) -> Int {
      min(max(index < 0 ? index + extent : index, bounds.lowerBound), bounds.upperBound)
    }
    return step > 0
      ? Array(stride(from: clamped(start, 0...extent), to: clamped(end, 0...extent), by: min(step, extent + 1)))
      : Array(
        stride(
          from: clamped(start, -1...extent - 1), to: end < -extent ? -1 : clamped(end, -1...extent - 1),
          by: max(step, -extent - 1)))
  }

  /// Whether two shapes are the same except for axes of extent 1.
  static func isSameWithoutOnes(_ a: Shape, _ b: Shape) -> Bool {
    a.dimensions.filter { $0 != 1 } == b.dimensions.filter { $0 != 1 }
  }
}
