import Checkpoints
import Graphs
import Operators
import Tensors

extension ONNXTranslations {
  static let rows: [String: ONNXTranslation] = [
    "Concat": concatenate
  ]

  /// A concatenation of vectors.
  private static func joinRows(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, axis: Int
  ) throws(ImportError) -> ONNXValue {
    var rows: [ONNXActivation] = []
    for index in node.inputs.indices {
      let row = try translator.activation(node, index)
      guard row.isRow, row.channelAxis == axis, row.shape.rank == rows.first?.shape.rank ?? row.shape.rank else {
        throw translator.unsupported(node, "joining vectors along axis \(axis), which is not that of their elements")
      }
      rows.append(row)
    }
    var shape = rows[0].shape
    shape.dimensions[axis] = rows.reduce(0) { $0 + $1.channels }
    let joined = try translator.append(Concatenation(), node: node, inputs: rows)
    return .activation(joined.with(shape: shape, channelAxis: axis))
  }

  /// A concatenation of maps or of vectors. A constant 1 after a pooled vector is the bias channel of a whitened
  /// network.
  private static let concatenate: ONNXTranslation = { translator, node throws(ImportError) in
    let first = try translator.value(node, 0)
    guard case .int(let requested)? = node.attributes["axis"] else { throw translator.bad(node, "has no axis") }
    guard let axis = ONNXShapes.axes([requested], rank: first.shape.rank)?.first else {
      throw translator.bad(node, "has an axis \(requested), but its input has \(first.shape.rank) axes")
    }
    if let joined = try translator.joinedViews(node, axis: axis) { return joined }
    var areRows = true
    for index in node.inputs.indices where try !translator.isRow(node, index) { areRows = false }
    if first.shape.rank == 4, !areRows {
      let maps = try translator.maps(node)
      guard axis == maps[0].channelAxis else { throw translator.unsupported(node, "joining along axis \(axis)") }
      let joined = try translator.append(Concatenation(), node: node, inputs: maps)
      return .activation(translator.arranged(joined, as: maps[0]))
    }
    var constants = 0
    for index in node.inputs.indices where try translator.value(node, index).isConstant { constants += 1 }
    if constants == 0 { return try joinRows(&translator, node, axis: axis) }
    guard node.inputs.count == 2, case .constant(let ones) = try translator.value(node, 1), first.shape.rank == 2,
      axis == 1, let array = ONNXArray(ones), array.shape.rank == 2, array.shape[1] == 1,
      array.values.allSatisfy({ $0 == 1 })
    else { throw translator.unsupported(node, "joining anything but maps, or a pooled vector and a constant 1") }
    let source = try translator.matrix(node, 0)
    guard let pooling = translator.producer(of: source), let gem = pooling.op as? GeneralizedMeanPooling,
      !gem.appendsOne, let input = pooling.inputs.first
    else { throw translator.unsupported(node, "joining a constant 1 to a vector that is not pooled") }
    let map = ONNXActivation(value: input, shape: [], isRow: false)
    return .activation(
      try translator.pool(map, exponent: gem.exponent, floor: gem.floor, appendsOne: true, node: node))
  }
}
