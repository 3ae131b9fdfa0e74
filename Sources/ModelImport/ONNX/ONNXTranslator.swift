import Checkpoints
import Graphs
import Operators
import Tensors

/// Translates the nodes of an ONNX model, one after another in an order of execution, into a graph.
struct ONNXTranslator {
  let model: ONNXModel
  private(set) var graph: Graph
  private var values: [String: ONNXValue] = [:]
  /// NHWC, for the image size that is translated for.
  private var shapes: [ValueID: Shape] = [:]
  private var names: Set<String> = []
  /// The pooling nodes there are, so that two readers of one pooled map share a node.
  private var poolings: [PoolingKey: ONNXActivation] = [:]
  private var croppings: [CroppingKey: ONNXActivation] = [:]
  /// How many nodes and outputs read each value.
  private var readers: [String: Int] = [:]

  private struct PoolingKey: Hashable {
    let base: ValueID
    let exponent: Double
    let appendsOne: Bool
  }

  private struct CroppingKey: Hashable {
    let base: ValueID
    let margins: MapMargins
  }

  /// - Parameter probe: the shape of the batch to translate for, NCHW.
  init(_ model: ONNXModel, graph: Graph, input: String, probe: Shape) {
    self.model = model
    self.graph = graph
    values[input] = .activation(ONNXActivation(value: graph.input, shape: probe, isRow: false))
    shapes[graph.input] = [probe[0], probe[2], probe[3], probe[1]]
    for (name, tensor) in model.initializers { values[name] = .constant(tensor) }
    for node in model.nodes { for input in node.inputs { readers[input, default: 0] += 1 } }
    for output in model.outputs { readers[output.name, default: 0] += 1 }
  }

  /// Translates one node whose inputs have been translated.
  mutating func translate(_ node: ONNXModel.Node) throws(ImportError) {
    let result: ONNXValue
    if let folded = try fold(node) {
      result = .constant(folded)
    } else {
      guard node.domain.isEmpty, let translation = ONNXTranslations.all[node.operatorType] else {
        throw unsupported(node, "quern has no such operator")
      }
      result = try translation(&self, node)
    }
    if let output = node.outputs.first { values[output] = result }
  }

  /// The value of a node of which all inputs are known, or that asks for a shape.
  private func fold(_ node: ONNXModel.Node) throws(ImportError) -> Tensor? {
    guard node.domain.isEmpty, let folding = ONNXFolding.all[node.operatorType] else { return nil }
    var inputs: [Tensor?] = []
    for name in node.inputs {
      if name.isEmpty {
        inputs.append(nil)
      } else if case .constant(let tensor)? = values[name] {
        inputs.append(tensor)
      } else {
        return nil
      }
    }
    do { return try folding(ONNXFolding.Operands(node: node, inputs: inputs, operatorSet: model.operatorSet)) } catch {
      throw bad(node, error.problem)
    }
  }

  // MARK: Errors

  func unsupported(_ node: ONNXModel.Node, _ reason: String) -> ImportError {
    .unsupportedOperator(ONNXPlace(node, in: model), reason: reason)
  }

  func bad(_ node: ONNXModel.Node, _ problem: String) -> ImportError {
    .badNode(ONNXPlace(node, in: model), problem: problem)
  }

  // MARK: Inputs

  func hasInput(_ node: ONNXModel.Node, _ index: Int) -> Bool {
    index < node.inputs.count && !node.inputs[index].isEmpty
  }

  func value(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXValue {
    guard hasInput(node, index) else { throw bad(node, "has no input number \(index + 1)") }
    guard let value = values[node.inputs[index]] else {
      throw unsupported(node, "'\(node.inputs[index])' is a second output, which quern does not make")
    }
    return value
  }

  func value(named name: String) -> ONNXValue? { values[name] }

  func constant(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> Tensor {
    guard case .constant(let tensor) = try value(node, index) else {
      throw unsupported(node, "its input '\(node.inputs[index])' must be constant")
    }
    return tensor
  }

  /// A constant as float32, half precision widened.
  func weights(_ node: ONNXModel.Node, _ index: Int, rank: Int) throws(ImportError) -> Tensor {
    let tensor = try constant(node, index)
    guard tensor.shape.rank == rank, tensor.elementCount > 0 else {
      throw bad(node, "its weights '\(node.inputs[index])' have shape \(tensor.shape), but \(rank) axes are expected")
    }
    guard let floats = tensor.elementType == .float32 ? tensor : tensor.asFloat32() else {
      throw bad(node, "its weights '\(node.inputs[index])' are \(tensor.elementType), not floating-point numbers")
    }
    return floats
  }

  /// A constant of one element, `nil` where it is left out.
  func scalar(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> Double? {
    guard hasInput(node, index) else { return nil }
    let tensor = try constant(node, index)
    guard tensor.elementCount == 1, let array = ONNXArray(tensor) else {
      throw unsupported(node, "its input '\(node.inputs[index])' must be one number")
    }
    return array.values[0]
  }

  /// A constant list of integers, from an attribute or, in later operator sets, an input; `nil` where it is left out.
  func integers(_ node: ONNXModel.Node, attribute: String, input: Int) throws(ImportError) -> [Int]? {
    if case .ints(let list)? = node.attributes[attribute] { return list }
    guard hasInput(node, input) else { return nil }
    guard let array = ONNXArray(try constant(node, input)) else { throw bad(node, "its \(attribute) are no integers") }
    return array.integers
  }

  /// The input as a value of the graph; steps that stand for one become it.
  mutating func activation(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXActivation {
    switch try value(node, index) {
    case .activation(let activation): return activation
    case .constant: throw unsupported(node, "its input '\(node.inputs[index])' is constant")
    case .step(.pooled(let base, let exponent, let shape)):
      let pooled = try pool(base, exponent: exponent, node: node).with(shape: shape)
      values[node.inputs[index]] = .activation(pooled)
      return pooled
    case .step(.cropped(let base, let margins, let shape)):
      // Shared, so that it alone reads what it crops and passes can fold it into that.
      let key = CroppingKey(base: base.value, margins: margins)
      if let known = croppings[key] { return known }
      let cropped = try append(Cropping(margins), node: node, inputs: [base]).with(shape: shape)
      croppings[key] = cropped
      return cropped
    case .step(.padded(let base, let margins, let shape)):
      return try append(ZeroPadding(margins), node: node, inputs: [base]).with(shape: shape)
    case .step(let step): throw unsupported(node, "its input '\(node.inputs[index])' is \(step.meaning)")
    }
  }

  /// The inputs of an addition or a concatenation, which crop maps to their common top-left corner themselves: so the
  /// exporter's own cropping to it is left out, and the graph takes images of any size.
  mutating func maps(_ node: ONNXModel.Node) throws(ImportError) -> [ONNXActivation] {
    var whole: [ONNXActivation] = []
    var shapes: [Shape] = []
    for index in node.inputs.indices {
      let value = try value(node, index)
      shapes.append(value.shape)
      if case .step(.cropped(let base, let margins, _)) = value, margins.top == 0, margins.left == 0 {
        whole.append(base)
      } else {
        whole.append(try map(node, index))
      }
    }
    let extents = shapes.map { [$0[2], $0[3]] }
    guard let extent = extents.first, extents.allSatisfy({ $0 == extent }) else {
      throw unsupported(node, "it joins maps of \(shapes.map(\.description).joined(separator: " and "))")
    }
    if [whole.map { $0.shape[2] }.min(), whole.map { $0.shape[3] }.min()] == extent { return whole }
    var exact: [ONNXActivation] = []
    for index in node.inputs.indices { exact.append(try map(node, index)) }
    return exact
  }

  mutating func map(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXActivation {
    let activation = try activation(node, index)
    guard !activation.isRow else { throw unsupported(node, "its input '\(node.inputs[index])' is a vector, not a map") }
    return activation
  }

  mutating func row(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXActivation {
    let activation = try activation(node, index)
    guard activation.isRow else {
      throw unsupported(node, "its input '\(node.inputs[index])' is a map of \(activation.shape), not a vector")
    }
    return activation
  }

  /// Whether nothing but one node reads the input.
  func isOnlyReader(_ node: ONNXModel.Node, of index: Int) -> Bool { readers[node.inputs[index]] == 1 }

  // MARK: Output

  /// Appends a node to the graph, checked against the shapes of its inputs.
  mutating func append(
    _ op: any Operator, node: ONNXModel.Node, inputs: [ONNXActivation], constants: [String: Tensor] = [:]
  ) throws(ImportError) -> ONNXActivation {
    let shape: Shape
    do throws(GraphError) {
      // Attributes are held to their bounds where a package's would be.
      _ = try OperatorCatalogue.decode(type(of: op).wireName, op.attributes)
      shape = try op.outputShape(inputs: inputs.map { shapes[$0.value] ?? [] }, constants: constants)
    } catch { throw bad(node, "\(error)") }
    let output = graph.append(op, name: uniqueName(node), inputs: inputs.map(\.value), constants: constants)
    shapes[output] = shape
    guard shape.rank == 4 else { return ONNXActivation(value: output, shape: shape, isRow: true) }
    return ONNXActivation(
      value: output, shape: [shape.batch, shape.channels, shape.height, shape.width], isRow: false)
  }

  private mutating func uniqueName(_ node: ONNXModel.Node) -> String {
    let base = node.name.isEmpty ? node.outputs.first ?? "\(node.operatorType)_\(node.index)" : node.name
    var name = base
    var number = 2
    while !names.insert(name).inserted {
      name = "\(base)_\(number)"
      number += 1
    }
    return name
  }

  /// GeM pooling of a map, shared by all that ask for the same.
  mutating func pool(
    _ base: ONNXActivation, exponent: Double, appendsOne: Bool = false, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    let key = PoolingKey(base: base.value, exponent: exponent, appendsOne: appendsOne)
    if let known = poolings[key] { return known }
    let pooled = try append(
      GeneralizedMeanPooling(exponent: exponent, appendsOne: appendsOne), node: node, inputs: [base])
    poolings[key] = pooled
    return pooled
  }

  /// The node of the graph that makes a value.
  func producer(of activation: ONNXActivation) -> Node? {
    graph.nodes.last { $0.output == activation.value }
  }

  /// Gives the linear layer that makes a value a bias.
  mutating func setBias(_ bias: Tensor, of activation: ONNXActivation) {
    guard let index = graph.nodes.lastIndex(where: { $0.output == activation.value }) else { return }
    graph.nodes[index].constants["bias"] = bias
  }
}

/// Translates one node, all inputs of which have values. The result is that of the node's first output.
typealias ONNXTranslation =
  @Sendable (inout ONNXTranslator, ONNXModel.Node) throws(ImportError) -> ONNXValue

/// What becomes of each of ONNX's operators; those that only constants pass through are in `ONNXFolding`.
enum ONNXTranslations {
  static let all: [String: ONNXTranslation] = [
    convolutions, poolings, activations, arithmetic, reductions, rows, shapes,
  ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }
}
