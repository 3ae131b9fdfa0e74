import Checkpoints
import Graphs
import Operators
import Tensors

extension ONNXTranslations {
  /// Operators that change the shape of a value; on vectors and pooled maps all of them are the identity.
  static let shapes: [String: ONNXTranslation] = [
    "Shape": { translator, node throws(ImportError) in
      let dimensions = try translator.value(node, 0).shape.dimensions
      return .constant(ONNXArray(integers: ONNXShapes.slice(dimensions, node)).tensor)
    },
    "Flatten": { translator, node throws(ImportError) in
      let axis = try ONNXWindow.integer(node, "axis", default: 1, in: translator)
      return try reshape(&translator, node, ONNXShapes.flatten(try translator.value(node, 0).shape, axis: axis))
    },
    "Reshape": { translator, node throws(ImportError) in
      let requested = try translator.integers(node, attribute: "shape", input: 1) ?? []
      let allowsZero = try ONNXWindow.integer(node, "allowzero", default: 0, in: translator) == 1
      let shape = try translator.value(node, 0).shape
      return try reshape(&translator, node, ONNXShapes.reshape(shape, to: requested, allowsZero: allowsZero))
    },
    "Squeeze": { translator, node throws(ImportError) in
      let axes = try translator.integers(node, attribute: "axes", input: 1)
      return try reshape(&translator, node, ONNXShapes.squeeze(try translator.value(node, 0).shape, axes))
    },
    "Unsqueeze": { translator, node throws(ImportError) in
      let axes = try translator.integers(node, attribute: "axes", input: 1) ?? []
      return try reshape(&translator, node, ONNXShapes.unsqueeze(try translator.value(node, 0).shape, axes))
    },
    "Expand": expand, "Slice": slice, "Gather": part, "Transpose": transpose,
  ]

  private static func reshape(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ shape: Shape?
  ) throws(ImportError) -> ONNXValue {
    let value = try translator.value(node, 0)
    guard let shape else { throw translator.bad(node, "asks for a shape that \(value.shape) cannot have") }
    if shape == value.shape { return value }
    guard ONNXShapes.isSameWithoutOnes(shape, value.shape), shape.rank >= 1, shape[0] == value.shape[0] else {
      throw translator.unsupported(
        node, "it makes \(shape) of \(value.shape), and quern keeps maps and vectors as they are")
    }
    switch value {
    case .step(let step):
      guard let result = step.with(shape: shape) else {
        throw translator.unsupported(node, "its input is \(step.meaning)")
      }
      return .step(result)
    case .activation(let activation) where activation.isRow: return .activation(activation.with(shape: shape))
    case .activation(let map):
      // A map of one pixel, for this image size: the mean of the map is the vector at any.
      return .activation(try translator.pool(map, exponent: 1, node: node).with(shape: shape))
    case .constant: throw translator.bad(node, "its shape is not constant")
    }
  }

  /// A norm may be expanded to the vector that it divides.
  private static let expand: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    guard let requested = ONNXArray(try translator.constant(node, 1)),
      let shape = ONNXArray.broadcastShape(value.shape, Shape(requested.integers))
    else { throw translator.bad(node, "cannot expand \(value.shape)") }
    if shape == value.shape { return value }
    guard case .step(.norm(let base, let epsilon, _)) = value, shape == base.shape else {
      throw translator.unsupported(node, "it makes \(shape) of \(value.shape)")
    }
    return .step(.norm(base, epsilon: epsilon, shape: value.shape))
  }

  private static let slice: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    guard let starts = try translator.integers(node, attribute: "starts", input: 1),
      let ends = try translator.integers(node, attribute: "ends", input: 2), starts.count == ends.count
    else { throw translator.bad(node, "has no starts and ends of one length") }
    let axes = try translator.integers(node, attribute: "axes", input: 3) ?? Array(0..<starts.count)
    let steps = try translator.integers(node, attribute: "steps", input: 4) ?? [Int](repeating: 1, count: starts.count)
    guard axes.count == starts.count, steps.count == starts.count,
      ONNXShapes.axes(axes, rank: value.shape.rank) != nil
    else { throw translator.bad(node, "has axes \(axes) for a value of \(value.shape)") }
    var shape = value.shape
    for (index, axis) in axes.enumerated() {
      let axis = axis < 0 ? axis + shape.rank : axis
      guard let range = ONNXShapes.range(starts[index], ends[index], steps[index], extent: shape[axis]) else {
        throw translator.bad(node, "has a step of 0")
      }
      shape.dimensions[axis] = range.count
    }
    return shape == value.shape && steps.allSatisfy({ $0 == 1 }) ? value : .step(.part(shape: shape))
  }

  private static let part: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    let axis = try ONNXWindow.integer(node, "axis", default: 0, in: translator)
    guard let axes = ONNXShapes.axes([axis], rank: value.shape.rank), let axis = axes.first else {
      throw translator.bad(node, "has an axis \(axis), and its input has \(value.shape.rank)")
    }
    var dimensions = value.shape.dimensions
    dimensions.replaceSubrange(axis...axis, with: try translator.constant(node, 1).shape.dimensions)
    return .step(.part(shape: Shape(dimensions)))
  }

  private static let transpose: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    let rank = value.shape.rank
    let axes = try translator.integers(node, attribute: "perm", input: 1) ?? Array((0..<rank).reversed())
    guard axes == Array(0..<rank) else {
      throw translator.unsupported(node, "it permutes the axes of an activation by \(axes)")
    }
    return value
  }
}
