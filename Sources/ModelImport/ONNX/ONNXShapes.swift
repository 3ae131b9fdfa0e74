import Checkpoints
import Tensors

/// ONNX's rules for shapes, checked: every size may come from a hostile file.
enum ONNXShapes {
  /// `Shape`'s output, with its attributes `start` and `end` (opset 15).
  static func slice(_ dimensions: [Int], _ node: ONNXModel.Node) -> [Int] {
    func bound(_ name: String, _ fallback: Int) -> Int {
      guard case .int(let value)? = node.attributes[name] else { return fallback }
      return min(max(value < 0 ? value + dimensions.count : value, 0), dimensions.count)
    }
    let start = bound("start", 0)
    return Array(dimensions[start..<max(start, bound("end", dimensions.count))])
  }

  /// `Reshape`: 0 keeps an extent, -1 takes what is left. `nil` where the elements do not fit.
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
      guard let rest = Shape(result).checkedElementCount, rest > 0, count % rest == 0 else { return nil }
      result[open] = count / rest
    }
    return Shape(result).checkedElementCount == count ? Shape(result) : nil
  }

  static func flatten(_ shape: Shape, axis: Int) -> Shape? {
    let axis = axis < 0 ? axis &+ shape.rank : axis
    guard shape.checkedElementCount != nil, (0...shape.rank).contains(axis) else { return nil }
    return [shape.dimensions[..<axis].reduce(1, *), shape.dimensions[axis...].reduce(1, *)]
  }

  /// Axes counted from the front, each once; `nil` where one is not there.
  static func axes(_ axes: [Int], rank: Int) -> Set<Int>? {
    var result: Set<Int> = []
    for axis in axes {
      guard axis >= -rank, axis < rank, result.insert(axis < 0 ? axis + rank : axis).inserted else { return nil }
    }
    return result
  }

  /// Axes counted from the front, in their order.
  static func list(_ requested: [Int], rank: Int) -> [Int]? {
    guard axes(requested, rank: rank) != nil else { return nil }
    return requested.map { $0 < 0 ? $0 + rank : $0 }
  }

  /// `Squeeze`; `nil` for the axes takes out every extent of 1.
  static func squeeze(_ shape: Shape, _ requested: [Int]?) -> Shape? {
    let all = shape.dimensions.indices.filter { shape[$0] == 1 }
    guard let taken = axes(requested ?? all, rank: shape.rank), taken.allSatisfy({ shape[$0] == 1 }) else { return nil }
    return Shape(shape.dimensions.indices.filter { !taken.contains($0) }.map { shape[$0] })
  }

  static func unsqueeze(_ shape: Shape, _ requested: [Int]) -> Shape? {
    let rank = shape.rank + requested.count
    guard rank <= 16, let added = axes(requested, rank: rank) else { return nil }
    var rest = shape.dimensions[...]
    return Shape((0..<rank).map { added.contains($0) ? 1 : rest.removeFirst() })
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

  /// Whether two shapes differ in axes of one element alone.
  static func isSameWithoutOnes(_ a: Shape, _ b: Shape) -> Bool {
    a.dimensions.filter { $0 != 1 } == b.dimensions.filter { $0 != 1 }
  }
}
