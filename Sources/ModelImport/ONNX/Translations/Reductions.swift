import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let reductions: [String: ONNXTranslation] = [
    "ReduceMean": { translator, node throws(ImportError) in
      let keeps = try spatial(translator, node)
      return try mean(&translator, node, keepsAxes: keeps)
    },
    "ReduceMax": { translator, node throws(ImportError) in
      let keeps = try spatial(translator, node)
      return try maximum(&translator, node, keepsAxes: keeps)
    },
    "ReduceL2": { translator, node throws(ImportError) in
      let (source, shape) = try alongRow(&translator, node, try translator.activation(node, 0))
      return .step(.norm(source, epsilon: 0, shape: shape))
    },
    "ReduceSumSquare": { translator, node throws(ImportError) in
      let (source, shape) = try alongRow(&translator, node, try translator.activation(node, 0))
      return .step(.squareSum(source, shape: shape))
    },
    "ReduceSum": { translator, node throws(ImportError) in
      guard case .step(.power(let base, nil, 2)) = try translator.value(node, 0) else {
        throw translator.unsupported(node, "a sum that is not of squares")
      }
      let (source, shape) = try alongRow(&translator, node, base)
      return .step(.squareSum(source, shape: shape))
    },
    "LpNormalization": { translator, node throws(ImportError) in
      let source = try translator.row(node, 0)
      let axis = try ONNXWindow.integer(node, "axis", default: -1, in: translator)
      guard try ONNXWindow.integer(node, "p", default: 2, in: translator) == 2,
        ONNXShapes.axes([axis], rank: source.shape.rank) == [1]
      else { throw translator.unsupported(node, "anything but the L2 norm of a vector") }
      let output = try translator.append(L2Normalization(epsilon: 0), node: node, inputs: [source])
      return .activation(output.with(shape: source.shape))
    },
  ]

  private static func keepsAxes(_ translator: ONNXTranslator, _ node: ONNXModel.Node) throws(ImportError) -> Bool {
    try ONNXWindow.integer(node, "keepdims", default: 1, in: translator) != 0
  }

  private static func axes(_ translator: ONNXTranslator, _ node: ONNXModel.Node) throws(ImportError) -> Set<Int> {
    let rank = try translator.value(node, 0).shape.rank
    let requested = try translator.integers(node, attribute: "axes", input: 1) ?? []
    guard let axes = ONNXShapes.axes(requested, rank: rank) else {
      throw translator.bad(node, "has no axes \(requested): its input has \(rank)")
    }
    return axes
  }

  /// Checks that a reduction is over height and width; returns whether their axes are kept.
  private static func spatial(_ translator: ONNXTranslator, _ node: ONNXModel.Node) throws(ImportError) -> Bool {
    guard try translator.value(node, 0).shape.rank == 4, try axes(translator, node) == [2, 3] else {
      throw translator.unsupported(node, "a reduction that is not over the height and width of a map")
    }
    return try keepsAxes(translator, node)
  }

  /// Checks that a reduction is over the elements of each vector; returns the shape of what it makes.
  private static func alongRow(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ source: ONNXActivation
  ) throws(ImportError) -> (ONNXActivation, Shape) {
    guard source.isRow, try axes(translator, node) == [1] else {
      throw translator.unsupported(node, "a reduction that is not over the elements of a vector")
    }
    var shape = source.shape
    if try keepsAxes(translator, node) { shape.dimensions[1] = 1 } else { shape.dimensions.remove(at: 1) }
    return (source, shape)
  }
}
