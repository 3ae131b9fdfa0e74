import Files
import FoundationEssentials
import Graphs
import Quantization
import Tensors

/// A plan file, checked against the network that it is used for.
struct GivenPlan {
  let file: PlanFile
  private let graph: Graph
  private let layers: [String: PlanFile.Layer]

  /// - Parameter graph: the folded float graph.
  /// - Throws: `PlanError.unknownLayer` for a layer that the graph does not have, `.field` for arithmetic that a layer
  ///   cannot have.
  init(_ file: PlanFile, for graph: Graph) throws(PlanError) {
    (self.file, self.graph) = (file, graph)
    layers = Dictionary((file.layers ?? []).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let names = Set(graph.nodes.map(\.name))
    let givenNames = (file.layers ?? []).map(\.name) + (file.equalisation ?? [:]).keys.sorted()
    if let unknown = givenNames.first(where: { !names.contains(exactly: $0) }) {
      throw .unknownLayer(unknown, near: FloatLayers.names(near: unknown, in: graph))
    }
    for node in graph.nodes {
      guard let arithmetic = try layers[node.name]?.plannedArithmetic() else { continue }
      try Self.check(arithmetic, node)
    }
  }

  /// Whether the file gives the steps of all weights.
  var givesAllSteps: Bool { graph.nodes.allSatisfy { !$0.hasRoundedWeights || givesSteps($0) } }

  /// Whether the file gives everything that would otherwise be computed from calibration, and names the images that it
  /// comes from.
  var isComplete: Bool {
    file.equalisation != nil && file.rounding != nil && file.calibrationSet != nil && givesAllSteps
      && graph.nodes.allSatisfy { layers[$0.name]?.arithmetic != nil && layers[$0.name]?.output != nil }
  }

  private static func check(_ arithmetic: QuantizationPlan.Arithmetic, _ node: Node) throws(PlanError) {
    let rule = node.op.quantizationRule
    let problem: String? =
      switch arithmetic {
      case .int8: rule == .calibratedRange || rule == .sameAsInput ? nil : "\(node.kind) has no int8 arithmetic"
      case .int8WideInput: node.traits.canReadRemainder ? nil : "\(node.kind) cannot read 16-bit inputs"
      case .int8Weights: rule == .floatWithInt8Weights ? nil : "\(node.kind) has no float arithmetic with int8 weights"
      case .int16Weights: node.hasRoundedWeights ? nil : "\(node.kind) has no weights to store as int16"
      case .float: nil
      }
    if let problem { throw .field(layer: node.name, problem) }
  }

  // MARK: - Equalisation

  /// The scales of channels that the file gives; `nil` where it leaves them open.
  ///
  /// - Parameter imageSize: the side in pixels of images that the graph takes.
  /// - Throws: `PlanError.field` for scales that do not fit the graph or are not above 0 and at most 1; `GraphError`
  ///   where the graph does not take images of the size.
  func scales(imageSize: Int) throws -> ChannelScales? {
    guard let given = file.equalisation else { return nil }
    var scales = try ChannelScales(onesFor: graph, imageSize: imageSize)
    for node in graph.nodes {
      guard let data = given[node.name] else { continue }
      let values = data.withUnsafeBytes { bytes in
        (0..<bytes.count / 4).map {
          Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
        }
      }
      guard data.count % 4 == 0, values.count == scales[node.output].count else {
        throw PlanError.field(
          layer: node.name,
          "its equalisation has \(data.count) bytes instead of 4 for each of \(scales[node.output].count) channels")
      }
      guard ChannelScales.areFactors(values) else {
        throw PlanError.field(layer: node.name, "its equalisation has a factor that is not above 0 and at most 1")
      }
      scales[node.output] = values
    }
    return scales
  }

  // MARK: - Plans

  /// The plan to round weights by: the decisions of the file, and computed ones where it leaves something open.
  ///
  /// - Parameters:
  ///   - computed: the plan that is computed without the file.
  ///   - reading: the values that can be read as 16 bits, for layers with 16-bit inputs whose formats the file leaves
  ///     open.
  ///   - widensOpenLayers: whether layers whose arithmetic the file leaves open read 16 bits where they can.
  /// - Throws: `PlanError.field` for values that a layer cannot have.
  func rounded(
    _ computed: QuantizationPlan, _ reading: WideReading, widensOpenLayers: Bool
  ) throws(PlanError) -> QuantizationPlan {
    var plan = computed
    try keepFloat(in: &plan)
    try widen(&plan, reading, openLayers: widensOpenLayers)
    let producers = graph.producers
    for node in graph.nodes {
      if layers[node.name]?.output == nil { followInput(node, producers, in: &plan) }
      guard let layer = layers[node.name] else { continue }
      let before = plan.layers[node.name]
      if let (arithmetic, output) = try layer.roundedAs() {
        plan.layers[node.name]?.arithmetic = arithmetic
        plan.values[node.name] = output
      } else {
        if let arithmetic = try layer.plannedArithmetic() { plan.layers[node.name]?.arithmetic = arithmetic }
        if let output = try layer.plannedOutput() { plan.values[node.name] = output }
      }
      let isChanged = plan.layers[node.name]?.arithmetic != before?.arithmetic
      plan.layers[node.name]?.reason =
        layer.rounded == nil ? layer.reason ?? (isChanged ? PlanFile.reason : before?.reason) : nil
      if let step = layer.minWeightStep { plan.layers[node.name]?.minStep = step > 0 ? step : nil }
    }
    return plan
  }

  /// The plan after the edits of a search that the file records.
  ///
  /// - Parameter rounded: the plan that weights were rounded by.
  /// - Throws: `PlanError.field` for values that a layer cannot have.
  func final(_ rounded: QuantizationPlan) throws(PlanError) -> QuantizationPlan {
    var plan = rounded
    for node in graph.nodes {
      guard let layer = layers[node.name], layer.rounded != nil else { continue }
      if let arithmetic = try layer.plannedArithmetic() { plan.layers[node.name]?.arithmetic = arithmetic }
      if let output = try layer.plannedOutput() { plan.values[node.name] = output }
      plan.layers[node.name]?.reason = layer.reason
    }
    return plan
  }

  /// Gives the output of a node that only moves or selects values the levels of its input.
  private func followInput(_ node: Node, _ producers: [ValueID: Int], in plan: inout QuantizationPlan) {
    guard node.op.quantizationRule == .sameAsInput, !plan.keepsFloat(node),
      let producer = producers[node.inputs[0]], let source = plan.values[graph.nodes[producer].name],
      let output = plan.values[node.name], source.format.quantization != output.format.quantization
    else { return }
    plan.values[node.name]?.format = source.format.withoutRemainder
  }

  /// Whether the file gives the minimum step of a layer's weights.
  func givesSteps(_ node: Node) -> Bool { layers[node.name]?.minWeightStep != nil }

  /// Keeps the layers in float that the file keeps, and the nodes between them, as far as the file leaves these open.
  private func keepFloat(in plan: inout QuantizationPlan) throws(PlanError) {
    var kept: [String: QuantizationPlan.Layer] = [:]
    for node in graph.nodes where node.hasRoundedWeights {
      guard let layer = layers[node.name], layer.rounded == nil, let arithmetic = try layer.plannedArithmetic(),
        arithmetic == .float || arithmetic == .int16Weights
      else { continue }
      kept[node.name] = .init(arithmetic, reason: layer.reason ?? PlanFile.reason)
    }
    plan.keepFloat(kept, in: graph)
  }

  /// Gives 16 bits to the inputs of layers that read both planes, as far as the file leaves the inputs' formats open.
  ///
  /// Only these layers read them: ranges must stay narrow for others, which read 8 bits.
  private func widen(
    _ plan: inout QuantizationPlan, _ reading: WideReading, openLayers: Bool
  ) throws(PlanError) {
    if isComplete { return }
    var readers: Set<String> = []
    for node in graph.nodes where layers[node.name]?.rounded == nil {
      let arithmetic = try layers[node.name]?.plannedArithmetic()
      if arithmetic.map({ $0 == .int8WideInput }) ?? openLayers { readers.insert(node.name) }
    }
    guard !readers.isEmpty else { return }
    let candidates = reading.candidates(in: plan).filter { candidate in
      // Conversions to float read remainders at no cost.
      candidate.readers.isEmpty ? openLayers : !readers.isDisjoint(with: candidate.readers)
    }
    plan = reading.widening(candidates.map { $0.read(by: readers) }, in: plan)
  }
}
