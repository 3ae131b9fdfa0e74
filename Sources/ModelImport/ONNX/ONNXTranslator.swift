import Checkpoints
import Graphs
import Operators
import Suggestions
import Tensors

/// Translates the nodes of an ONNX model into a graph, one after another in an order of execution.
struct ONNXTranslator {
  let model: ONNXModel
  let schedule: ONNXSchedule
  var graph: Graph
  /// Whether the model takes images of other sizes than the one that it is translated for.
  let isSizeOpen: Bool
  /// The type that most of the model's weights are stored in.
  let weightType: ElementType
  /// What was recognised or reinterpreted, one sentence each.
  private(set) var notes: [String] = []
  /// The translated values, by their names in the model.
  var values: ONNXValues
  /// The shapes of the graph's values, NHWC for maps, for the image size that the model is translated for.
  var shapes: [ValueID: Shape] = [:]
  /// Numbers that no element of a value is less than.
  var lowerBounds: [ValueID: Double] = [:]
  /// The index of the node that computes each value.
  var producers: [ValueID: Int] = [:]
  /// The results of scales and offsets that are arithmetic in the model, rather than batch norms.
  private(set) var arithmeticResults: Set<ValueID> = []
  /// The results of arithmetic with scalars.
  var scales: [ValueID: Scale] = [:]
  /// The names of the graph's nodes.
  var names: Set<String> = []
  // The nodes that several readers of a value share.
  var poolings: [PoolingKey: ONNXActivation] = [:]
  private var croppings: [CroppingKey: ONNXActivation] = [:]
  private var pixelMaps: [ValueID: ONNXActivation] = [:]
  var rectified: [ValueID: ONNXActivation] = [:]
  /// The results of constant folding that do not depend on the image's size.
  let foldings: ONNXFoldingCache
  /// The names of folded values that may still be read.
  var folded: Set<String> = []
  /// The elements of constants that depend on the size of the image.
  var sizeMarks = ONNXSizeMarks()
  /// How often each value is read, and how often it has been.
  let readCounts: [String: Int]
  var reads: [String: Int] = [:]
  /// The number that was last appended to make each name of a node unique.
  var nameNumbers: [String: Int] = [:]
  private var noted: Set<String> = []
  var roundings: [RoundingKey: ValueID] = [:]
  /// What the file states of the levels of constants, by the names of their values.
  var storedLevels: [String: ONNXStoredLevels] = [:]
  /// The quantisation that the file states.
  var quantization = StoredQuantization()
  var selections: [SelectionKey: ValueID] = [:]
  /// The memory of the constants and the lists that are made for the graph.
  private var made: ModelBudget
  /// The constants that are counted in it.
  private var counted: Set<ObjectIdentifier> = []

  /// The bytes that may be made for a model of no size, and for each of its bytes. The translations for two sizes are
  /// in memory at once.
  private static let (freeBytes, bytesPerByte) = (12 << 20, 8)

  /// A value as `factor * x + offset` of another one.
  struct Scale {
    let base: ValueID
    let factor: Double
    let offset: Double
  }

  struct PoolingKey: Hashable {
    let base: ValueID
    let exponent: Double
    let floor: Double?
    let appendsOne: Bool
  }

  struct RoundingKey: Hashable {
    let base: ValueID
    let levels: ONNXLevels
  }

  struct SelectionKey: Hashable {
    let base: ValueID
    let channels: [Int]
  }

  private struct CroppingKey: Hashable {
    let base: ValueID
    let margins: MapMargins
  }

  /// Starts a translation.
  ///
  /// - Parameters:
  ///   - graph: an empty graph, which the nodes are appended to.
  ///   - image: the model's input.
  ///   - probe: the input shape to translate the model for, in the model's order of axes.
  ///   - schedule: the nodes of the model.
  ///   - foldings: what earlier translations of the model have folded.
  init(
    graph: Graph, image: ONNXImageInput, probe: Shape, schedule: ONNXSchedule, foldings: ONNXFoldingCache
  ) {
    (model, self.schedule) = (schedule.model, schedule)
    self.foldings = foldings
    self.graph = graph
    isSizeOpen = image.isSizeOpen
    weightType = model.weightType
    readCounts = schedule.readCounts
    values = ONNXValues(model.initializers)
    made = ModelBudget(free: Self.freeBytes, perByte: Self.bytesPerByte, modelBytes: model.byteCount)
    let input = ONNXActivation(
      value: graph.input, shape: probe, isRow: false, channelAxis: image.isChannelsLast ? 3 : 1)
    values[image.name] = .activation(input)
    if image.takesBytes { values.bytes = [image.name] }
    shapes[graph.input] = [probe[0], input.height, input.width, input.channels]
  }

  /// Translates one node whose inputs have been translated.
  mutating func translate(_ node: ONNXModel.Node) throws(ImportError) {
    if node.domain.isEmpty, let attribute = ONNXAttributes.unknown(of: node), isSupported(node) {
      throw unsupported(node, "it has an attribute '\(attribute)', which quern does not support")
    }
    if node.domain.isEmpty, node.operatorType == "If" { return try inline(node) }
    let result: ONNXValue
    if let folded = try fold(node) {
      result = .constant(folded)
      recordLevels(node)
    } else {
      guard node.domain.isEmpty || Self.isQuantization(node), let translation = ONNXTranslations.all[node.operatorType]
      else {
        throw unsupported(node, "quern does not have this operator")
      }
      try followBytes(node)
      foldings.budget.begin()
      result = try translation(&self, node)
      if case .step(.view(let view)) = result { try claimList(view.indexCount, node) }
    }
    if let output = node.outputs.first { values[output] = result }
    releaseInputs(of: node)
  }

  private func isSupported(_ node: ONNXModel.Node) -> Bool {
    ONNXTranslations.all[node.operatorType] != nil || ONNXFolding.all[node.operatorType] != nil
  }

  // MARK: Errors and notes

  func unsupported(_ node: ONNXModel.Node, _ reason: String) -> ImportError {
    .unsupportedOperator(ONNXLocation(node, in: model), reason: abbreviated(reason, limit: 2000))
  }

  func bad(_ node: ONNXModel.Node, _ problem: String) -> ImportError {
    .badNode(ONNXLocation(node, in: model), problem: abbreviated(problem, limit: 2000))
  }

  mutating func note(_ text: String) {
    if noted.insert(text).inserted { notes.append(text) }
  }

  /// Records that a value is a result of arithmetic with constants.
  mutating func markArithmetic(_ activation: ONNXActivation) {
    arithmeticResults.insert(activation.value)
    recordScale(of: activation.value)
  }

  // MARK: Memory

  /// Counts the memory of constants that the graph keeps. Views of the file take none.
  ///
  /// - Throws: `ImportError.badNode` where there are too many.
  mutating func claim(_ constants: [String: Tensor], _ node: ONNXModel.Node) throws(ImportError) {
    for tensor in constants.values where tensor.storage.isAllocated {
      guard counted.insert(ObjectIdentifier(tensor.storage)).inserted else { continue }
      try claimBytes(tensor.storage.bytes.count, node)
    }
  }

  /// Counts the memory of a list of channels or indices that is kept.
  ///
  /// - Throws: as `claim`.
  mutating func claimList(_ count: Int, _ node: ONNXModel.Node) throws(ImportError) {
    try claimBytes(count * MemoryLayout<Int>.stride, node)
  }

  private mutating func claimBytes(_ count: Int, _ node: ONNXModel.Node) throws(ImportError) {
    guard made.claim(count) else {
      throw bad(
        node,
        "needs \(count) bytes of constants or lists of channels: nodes before it have \(made.used), and for a model of "
          + "\(model.byteCount) bytes at most \(made.limit) are made")
    }
  }

  // MARK: Inputs

  func hasInput(_ node: ONNXModel.Node, _ index: Int) -> Bool {
    index < node.inputs.count && !node.inputs[index].isEmpty
  }

  func value(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXValue {
    guard hasInput(node, index) else { throw bad(node, "has no input number \(index + 1)") }
    guard let value = values[node.inputs[index]] else {
      throw unsupported(
        node, "'\(node.inputs[index])' is not the first output of its node, and quern computes only that")
    }
    return value
  }

  func value(named name: String) -> ONNXValue? { values[name] }

  /// An input that must be constant.
  func constant(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> Tensor {
    guard case .constant(let tensor) = try value(node, index) else {
      throw unsupported(node, "its input '\(node.inputs[index])' must be constant")
    }
    do { try foldings.budget.claimWork(tensor.elementCount) } catch { throw bad(node, error.problem) }
    return tensor
  }

  /// A constant of the given rank as float32; half precision is widened.
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

  /// A constant of one element; `nil` where it is omitted.
  func scalar(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> Double? {
    guard hasInput(node, index) else { return nil }
    let tensor = try constant(node, index)
    guard tensor.elementCount == 1, let array = ONNXArray(tensor) else {
      throw unsupported(node, "its input '\(node.inputs[index])' must be one number")
    }
    return array.values[0]
  }

  /// The input as a value of the graph. A step that can be an operator without the nodes after it becomes one.
  mutating func activation(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXActivation {
    let value = try value(node, index)
    let name = node.inputs[index]
    switch value {
    case .activation(let activation): return activation
    case .constant: throw unsupported(node, "its input '\(name)' is constant")
    case .step(.clipped(let base, let floor)):
      let clipped = try clip(base, minimum: floor, maximum: .infinity, node: node)
      values[name] = .activation(clipped)
      return clipped
    case .step(.reduced(let reduction)) where reduction.isPooled:
      let pooled = try pool(reduction, exponent: reduction.exponent, node: node)
      values[name] = .activation(pooled)
      return pooled
    case .step(.cropped(let base, let margins, let shape)):
      // Equal croppings share a node: as the only reader of its input, it can be folded into the input's producer.
      let key = CroppingKey(base: base.value, margins: margins)
      if let cached = croppings[key] { return cached.with(shape: shape, channelAxis: base.channelAxis) }
      let cropped = try append(Cropping(margins), node: node, inputs: [base])
        .with(shape: shape, channelAxis: base.channelAxis)
      croppings[key] = cropped
      return cropped
    case .step(.padded(let base, let margins, let shape)):
      return try append(ZeroPadding(margins), node: node, inputs: [base])
        .with(shape: shape, channelAxis: base.channelAxis)
    case .step(let step):
      guard let read = try read(step, node: node) else {
        throw unsupported(node, "its input '\(name)' is \(step.meaning)")
      }
      values[name] = .activation(read)
      return read
    }
  }

  /// Sets the value of an output of a node other than the first.
  mutating func set(_ value: ONNXValue, forOutput index: Int, of node: ONNXModel.Node) {
    if index < node.outputs.count, !node.outputs[index].isEmpty { values[node.outputs[index]] = value }
  }

  /// The activation of an input, which all later readers of the input share.
  mutating func sharedActivation(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXActivation {
    let result = try activation(node, index)
    values[node.inputs[index]] = .activation(result)
    return result
  }

  /// The inputs of an addition or a concatenation. In the graph, these operators crop maps to their common top left
  /// corner, so that a cropping by the exporter to the same extent is dropped, and the graph takes images of any size.
  mutating func maps(_ node: ONNXModel.Node) throws(ImportError) -> [ONNXActivation] {
    var whole: [ONNXActivation] = []
    var extents: [[Int]] = []
    for index in node.inputs.indices {
      let value = try value(node, index)
      if case .step(.cropped(let base, let margins, let shape)) = value, margins.top == 0, margins.left == 0 {
        whole.append(base)
        extents.append(base.spatialAxes.map { shape[$0] })
      } else {
        let map = try map(node, index)
        whole.append(map)
        extents.append([map.height, map.width])
      }
    }
    guard let first = whole.first, let extent = extents.first, extents.allSatisfy({ $0 == extent }),
      whole.allSatisfy({ $0.channelAxis == first.channelAxis })
    else {
      let shapes = firstItems(node.inputs.compactMap { values[$0]?.shape.description }, separator: " and ")
      let advice =
        isSizeOpen ? "; if it takes only some sizes of images, export it with a fixed height and width" : ""
      throw unsupported(node, "it joins maps of \(shapes)\(advice)")
    }
    if [whole.map(\.height).min(), whole.map(\.width).min()] == extent { return whole }
    var exact: [ONNXActivation] = []
    for index in node.inputs.indices { exact.append(try map(node, index)) }
    return exact
  }

  /// The input as a map. A row that has four axes in the model is a map of one pixel.
  mutating func map(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXActivation {
    let activation = try activation(node, index)
    if activation.isMap { return activation }
    guard activation.isRow else {
      throw unsupported(node, "its input '\(node.inputs[index])' is a map with merged axes, \(activation.shape)")
    }
    guard activation.shape.rank == 4, [1, 3].contains(activation.channelAxis) else {
      throw unsupported(node, "its input '\(node.inputs[index])' is a vector, not a map")
    }
    if let cached = pixelMaps[activation.value] {
      return cached.with(shape: activation.shape, channelAxis: activation.channelAxis)
    }
    let map = try append(SinglePixelMap(), node: node, inputs: [activation])
      .with(shape: activation.shape, channelAxis: activation.channelAxis)
    pixelMaps[activation.value] = map
    return map
  }

  /// Whether the input is, or can be read as, one vector per image.
  func isRow(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> Bool {
    switch try value(node, index) {
    case .activation(let activation): activation.isRow
    case .step(.reduced(let reduction)): reduction.isPooled
    case .step(.view(let view)): view.base.isRow
    case .step, .constant: false
    }
  }

  /// The input as a map with the channels on axis 1, as convolutions and poolings read it.
  mutating func channelsFirstMap(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXActivation {
    let map = try map(node, index)
    guard map.isChannelsFirst else {
      throw unsupported(
        node, "its input '\(node.inputs[index])' is \(map.shape) with the channels last; transpose it to NCHW")
    }
    return map
  }

  /// The input as a matrix [N, C] with a row for each image.
  mutating func matrix(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXActivation {
    let activation = try activation(node, index)
    guard activation.isRow, activation.shape.rank == 2 else {
      throw unsupported(node, "its input '\(node.inputs[index])' is \(activation.shape), not one vector per image")
    }
    return activation
  }

  /// The height and width of the images that the model is translated for, as "224x224".
  var imageSize: String {
    let image = shapes[graph.input] ?? []
    return image.rank == 4 ? "\(image.height)x\(image.width)" : ""
  }
}

/// Translates a node whose inputs have values. The result is the value of the node's first output.
typealias ONNXTranslation =
  @Sendable (inout ONNXTranslator, ONNXModel.Node) throws(ImportError) -> ONNXValue

/// The translations by operator type. Operators that are supported only on constants are in `ONNXFolding`.
enum ONNXTranslations {
  static let all: [String: ONNXTranslation] = [
    convolutions, poolings, activations, normalizations, arithmetic, reductions, linear, resizing, rows, selections,
    shapes, quantization,
  ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }
}
