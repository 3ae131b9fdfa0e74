import Checkpoints
import Tensors

/// Which elements of a model's constants depend on the height or the width of the image, where the model takes images
/// of any size.
///
/// Extents of a reshape or a resize may depend on it, as operators of the graph follow the image, too. Where such
/// numbers are compared, decide between branches or become weights, a network for some sizes says nothing about the
/// others.
struct ONNXSizeMarks {
  /// The bits of a mark: the element depends on the size, and it may be negative.
  static let (dependent, signed) = (1, 2)
  /// The largest number of elements that are followed; shapes have few.
  static let maximumCount = 4096

  /// The marks of all elements, in row-major order, of constants with an element that depends on the size.
  private var marks: [String: [Int]] = [:]

  var isEmpty: Bool { marks.isEmpty }

  /// The marks of a constant; `nil` where no element depends on the size.
  subscript(name: String) -> [Int]? {
    get { marks[name] }
    set {
      let isMarked = newValue?.contains { $0 & Self.dependent != 0 } ?? false
      marks[name] = isMarked ? newValue : nil
    }
  }
}

extension ONNXTranslator {
  /// The inputs of operators on activations that may depend on the size, by their indices: extents and positions. The
  /// graphs for several sizes are compared, so that a difference in the operator itself is found.
  private static let sizeInputs: [String: Set<Int>] = [
    "Expand": [1], "Pad": [1], "Reshape": [1], "Resize": [1, 2, 3], "Slice": [1, 2], "Split": [1], "Upsample": [1],
  ]

  /// Follows the size of the image through a node that is not folded.
  ///
  /// - Throws: `ImportError.unsupportedOperator` where a constant other than an extent depends on it.
  mutating func followSize(_ node: ONNXModel.Node) throws(ImportError) {
    guard isSizeOpen else { return }
    if node.operatorType == "Shape", node.domain.isEmpty, let input = node.inputs.first, let value = values[input] {
      let marks = dependsOnSize(value).map { $0 ? ONNXSizeMarks.dependent : 0 }
      if let output = node.outputs.first { sizeMarks[output] = ONNXShapes.slice(marks, node) }
      return
    }
    guard !sizeMarks.isEmpty else { return }
    let allowed = node.domain.isEmpty ? Self.sizeInputs[node.operatorType] ?? [] : []
    for (index, name) in node.inputs.enumerated() where sizeMarks[name] != nil && !allowed.contains(index) {
      throw unsupported(node, "its input '\(name)' depends on the size of the image")
    }
  }

  /// Follows the size of the image through a node that was folded.
  ///
  /// - Throws: `ImportError.unsupportedOperator` where the result may change at any size.
  mutating func followSize(_ node: ONNXModel.Node, inputs: [Tensor?], result: Tensor) throws(ImportError) {
    guard !sizeMarks.isEmpty, let output = node.outputs.first else { return }
    let known = node.inputs.map { sizeMarks[$0] }
    guard known.contains(where: { $0 != nil }) else { return }
    let folding = ONNXSizeFolding(
      node: node, inputs: inputs, known: known, result: result, operatorSet: model.operatorSet,
      budget: foldings.budget)
    do throws(ONNXFolding.Failure) { sizeMarks[output] = try folding.marks() } catch {
      throw unsupported(node, "it \(error.problem)")
    }
  }

  /// For each axis of a value, whether its extent depends on the size of the image; also where that is not known.
  private func dependsOnSize(_ value: ONNXValue) -> [Bool] {
    let rank = value.shape.rank
    func all(except axes: [Int] = []) -> [Bool] { (0..<rank).map { !axes.contains($0) } }
    func axes(of activation: ONNXActivation) -> [Bool] {
      if activation.isRow { return [Bool](repeating: false, count: rank) }
      // Where the map has fewer axes, its rows may be merged with the batch.
      return all(except: activation.isMap ? [0, activation.channelAxis] : [activation.channelAxis])
    }
    switch value {
    case .constant: return [Bool](repeating: false, count: rank)
    case .activation(let activation): return axes(of: activation)
    case .step(let step):
      switch step {
      case .clipped(let base, _), .power(let base, _, _), .powers(let base, _, _), .polynomial(let base, _),
        .probabilities(let base, _), .quantized(let base, _, _), .cropped(let base, _, _), .padded(let base, _, _),
        .unselectable(let base, _, _):
        return axes(of: base)
      case .reduced(let reduction): return (0..<rank).map { $0 == reduction.openAxis }
      case .squareSum(let base, _, _), .flooredSquareSum(let base, _, _), .norm(let base, _, _, _):
        return base.isRow ? [Bool](repeating: false, count: rank) : all()
      case .listed: return [Bool](repeating: false, count: rank)
      case .expanded(let row, _): return all(except: [0, row.channelAxis])
      case .view(let view): return dependsOnSize(view)
      case .branches(let views, _): return views.first.map { dependsOnSize($0) } ?? all()
      case .moment, .response, .flattened, .part: return all()
      }
    }
  }

  /// As for a value.
  private func dependsOnSize(_ view: ONNXView) -> [Bool] {
    // An axis of one pixel has no factors, although it may be longer at other sizes.
    let isOnePixel = !view.base.isRow && (view.extents[.row] == 1 || view.extents[.column] == 1)
    return view.axes.map { factors in
      isOnePixel || factors.contains { $0.source == .row || $0.source == .column }
    }
  }
}

/// Finds the marks of a folded constant from those of the node's inputs.
private struct ONNXSizeFolding {
  typealias Failure = ONNXFolding.Failure

  let node: ONNXModel.Node
  let inputs: [Tensor?]
  /// The marks of the inputs.
  let known: [[Int]?]
  let result: Tensor
  let operatorSet: Int
  let budget: ONNXFoldingBudget

  /// Operators that only move elements of the first input, or of all inputs of a Concat.
  private static let moving: Set<String> = [
    "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Tile", "Transpose",
    "Unsqueeze",
  ]

  /// The types that hold every number of pixels, by their numbers in ONNX: float32, int32, int64 and float64.
  private static let wideTypes: Set<Int> = [1, 6, 7, 11]

  /// - Throws: `ONNXFolding.Failure` where the result may change at any size.
  func marks() throws(Failure) -> [Int] {
    let type = node.operatorType
    // Of a constant, these depend on the shape only.
    if type == "Shape" || type == "Size" { return [] }
    guard result.elementCount <= ONNXSizeMarks.maximumCount else {
      throw Failure("computes \(result.elementCount) numbers, some of which depend on the size of the image")
    }
    if Self.moving.contains(type) { return try moved() }
    switch type {
    case "Add", "Sum", "Mul", "Div", "Floor", "Ceil": return dependent(try combined())
    case "Sub", "Neg": return dependent(try combined().map { $0 | ONNXSizeMarks.signed })
    case "Cast":
      guard case .int(let code)? = node.attributes["to"], Self.wideTypes.contains(code) else { break }
      return dependent(try combined())
    case "ReduceSum", "ReduceProd":
      guard inputs.count < 2 || known[1] == nil else { break }
      let bits = try bits(of: 0).values.reduce(0) { $0 | $1 }
      return dependent([Int](repeating: bits, count: result.elementCount))
    case "Equal":
      try checkComparison()
      return []
    case "Where": return dependent(try selected())
    default: break
    }
    throw Failure("computes with numbers that depend on the size of the image, and its result may change at some size")
  }

  /// Marks without those of elements that do not depend on the size.
  private func dependent(_ bits: [Int]) -> [Int] { bits.map { $0 & ONNXSizeMarks.dependent == 0 ? 0 : $0 } }

  /// The marks of an input. Here, elements that do not depend on the size are marked, too, where they may be negative.
  private func bits(of index: Int) throws(Failure) -> ONNXIntegers {
    guard index < inputs.count, let tensor = inputs[index], tensor.elementCount <= ONNXSizeMarks.maximumCount,
      let array = ONNXArray(tensor)
    else { throw Failure("computes with many numbers and some that depend on the size of the image") }
    let marks = known[index] ?? []
    var bits: [Int] = []
    for (element, value) in array.values.enumerated() {
      let mark = element < marks.count ? marks[element] : 0
      bits.append(mark != 0 ? mark : value >= 0 ? 0 : ONNXSizeMarks.signed)
    }
    return ONNXIntegers(type: .int64, shape: array.shape, values: bits)
  }

  /// As `bits`, for each element of the result.
  private func broadcast(_ index: Int) throws(Failure) -> [Int] {
    guard let bits = try bits(of: index).broadcast(to: result.shape) else {
      throw Failure("combines constants that do not fit each other")
    }
    return bits
  }

  /// The marks of an elementwise operator's result.
  private func combined() throws(Failure) -> [Int] {
    var result = [Int](repeating: 0, count: result.elementCount)
    for index in inputs.indices {
      for (element, bits) in try broadcast(index).enumerated() { result[element] |= bits }
    }
    return result
  }

  private func moved() throws(Failure) -> [Int] {
    var marks = inputs
    for (index, input) in inputs.enumerated() where input != nil {
      if index == 0 || node.operatorType == "Concat" {
        marks[index] = try bits(of: index).tensor
      } else if known[index] != nil {
        throw Failure("moves constants by numbers that depend on the size of the image")
      }
    }
    let operands = ONNXFolding.Operands(node: node, inputs: marks, operatorSet: operatorSet, budget: budget)
    guard let folding = ONNXFolding.all[node.operatorType], let moved = try folding(operands),
      let elements = ONNXIntegers(moved)
    else { throw Failure("moves numbers that depend on the size of the image") }
    return dependent(elements.values)
  }

  /// Checks that a comparison has the same result at all sizes: an extent is never a negative number, which exporters
  /// write in place of extents that are kept.
  private func checkComparison() throws(Failure) {
    for (a, b) in zip(try broadcast(0), try broadcast(1)) where (a | b) & ONNXSizeMarks.dependent != 0 {
      guard min(a, b) == ONNXSizeMarks.dependent, max(a, b) == ONNXSizeMarks.signed else {
        throw Failure("compares numbers that depend on the size of the image")
      }
    }
  }

  private func selected() throws(Failure) -> [Int] {
    guard inputs.count == 3, known[0] == nil, let tensor = inputs[0],
      let condition = ONNXIntegers(tensor)?.broadcast(to: result.shape)
    else { throw Failure("selects by numbers that depend on the size of the image") }
    let (first, second) = (try broadcast(1), try broadcast(2))
    return condition.indices.map { condition[$0] != 0 ? first[$0] : second[$0] }
  }
}
