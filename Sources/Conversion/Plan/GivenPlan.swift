import Foundation
import Graphs
import Quantization
import Tensors

/// A plan file held against the network that it is for.
struct GivenPlan {
  let file: PlanFile
  private let graph: Graph
  private let layers: [String: PlanFile.Layer]

  /// - Parameter graph: the folded float graph.
  /// - Throws: `PlanError`.
  init(_ file: PlanFile, for graph: Graph) throws(PlanError) {
    (self.file, self.graph) = (file, graph)
    layers = Dictionary((file.layers ?? []).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let names = Set(graph.nodes.map(\.name))
    let strangers = (file.layers ?? []).map(\.name) + (file.equalisation ?? [:]).keys.sorted()
    if let stranger = strangers.first(where: { !names.contains($0) }) {
      throw .unknownLayer(stranger, near: FloatLayers.names(near: stranger, in: graph))
    }
    for node in graph.nodes {
      guard let arithmetic = try layers[node.name]?.plannedArithmetic() else { continue }
      try Self.check(arithmetic, node)
    }
  }

  /// Whether the file gives the steps of all weights.
  var givesAllSteps: Bool { graph.nodes.allSatisfy { !$0.hasRoundedWeights || givesSteps($0) } }

  /// Whether a conversion has nothing to compute that calibration would have to see.
  var isComplete: Bool {
    file.equalisation != nil && file.rounding != nil && file.calibration != nil && givesAllSteps
      && graph.nodes.allSatisfy { layers[$0.name]?.arithmetic != nil && layers[$0.name]?.output != nil }
  }

  private static func check(_ arithmetic: QuantizationPlan.Arithmetic, _ node: Node) throws(PlanError) {
    let rule = node.op.quantizationRule
    let problem: String? =
      switch arithmetic {
      case .int8: rule == .ownRange || rule == .sameAsInput ? nil : "\(node.kind) has no int8 arithmetic"
      case .int8WideInput: node.traits.canReadRemainder ? nil : "\(node.kind) cannot read 16-bit inputs"
      case .int8Weights: rule == .floatWithInt8Weights ? nil : "\(node.kind) has no float arithmetic with int8 weights"
      case .int16Weights: node.hasRoundedWeights ? nil : "\(node.kind) has no weights to hold as int16"
      case .float: nil
      }
    if let problem { throw .field(layer: node.name, problem) }
  }

  // MARK: - Equalisation

  /// The scales of channels; `nil` where they are to be computed.
  ///
  /// - Parameter imageSize: an image's side that the graph takes.
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
          layer: node.name, "equalisation has \(data.count) bytes for \(scales[node.output].count) channels")
      }
      guard values.allSatisfy({ $0.isNormal && $0 > 0 && $0 <= 1 }) else {
        throw PlanError.field(layer: node.name, "equalisation holds a factor that is not above 0 and at most 1")
      }
      scales[node.output] = values
    }
    return scales
  }

  // MARK: - Plans

  /// The plan that weights are to be rounded by: what is given, and for the rest what was computed.
  ///
  /// - Parameter reading: what can be read as 16 bits, for layers that are to do so whose inputs the file does not give.
  func rounded(_ computed: QuantizationPlan, _ reading: WideReading) throws(PlanError) -> QuantizationPlan {
    var plan = computed
    try keepFloat(in: &plan)
    try widen(&plan, reading)
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
      if let step = layer.minWeightStep { plan.layers[node.name]?.leastStep = step > 0 ? step : nil }
    }
    return plan
  }

  /// The plan after all edits.
  ///
  /// - Parameter rounded: what weights were rounded by.
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

  /// Gives a value that only moves or selects those of another the levels which that has.
  private func followInput(_ node: Node, _ producers: [ValueID: Int], in plan: inout QuantizationPlan) {
    guard node.op.quantizationRule == .sameAsInput, !plan.keepsFloat(node),
      let maker = producers[node.inputs[0]], let source = plan.values[graph.nodes[maker].name],
      let held = plan.values[node.name], source.format.quantization != held.format.quantization
    else { return }
    plan.values[node.name]?.format = source.format.withoutRemainder
  }

  /// Whether the file gives the steps of a layer's weights.
  func givesSteps(_ node: Node) -> Bool { layers[node.name]?.minWeightStep != nil }

  /// Lets what lies between layers that are to compute in float do so, too, as far as the file leaves that open.
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

  private func widen(_ plan: inout QuantizationPlan, _ reading: WideReading) throws(PlanError) {
    if isComplete { return }
    var readers: Set<String> = []
    for node in graph.nodes {
      guard let layer = layers[node.name], layer.rounded == nil else { continue }
      if try layer.plannedArithmetic() == .int8WideInput { readers.insert(node.name) }
    }
    guard !readers.isEmpty else { return }
    let candidates = reading.candidates(in: plan).filter {
      !readers.isDisjoint(with: $0.readers)
    }
    plan = reading.widening(candidates, in: plan)
  }
}
