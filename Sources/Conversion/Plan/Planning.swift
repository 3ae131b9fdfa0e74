import Calibration
import Graphs
import Quantization
import Search

/// The stage that decides the formats of values and the arithmetic of layers, before weights are rounded.
struct Planning {
  let options: ConversionOptions
  let clock: StageClock

  /// The decisions.
  struct Plans {
    /// The plan to round weights by.
    let rounded: QuantizationPlan
    /// The plan to carry out in the end; `nil` where no plan file was given.
    let final: QuantizationPlan?
    /// Chooses the steps of weights for a budget; `nil` where they are already decided.
    let steps: WeightStepPlanner?
  }

  /// The noise that saving one bit of every weight may cost, relative to that of rounded activations. The latter
  /// remains much larger, because rounding by error feedback leaves a tenth of the weights' noise, and about a third of
  /// a bit is saved.
  private static let noisePerBit = 0.4

  /// Plans the quantisation of a network.
  ///
  /// - Parameters:
  ///   - graph: the float graph, folded and equalised.
  ///   - statistics: the statistics of calibration.
  ///   - keptFloat: the layers to keep in float.
  ///   - given: a plan file, whose decisions take precedence.
  ///   - scales: the scales that the graph was equalised with; `nil` where it was not.
  ///   - probe: makes a probe that measures drift on some calibration images.
  func plans(
    _ graph: Graph, _ statistics: ActivationStatistics, keptFloat: [KeptFloat], _ given: GivenPlan?,
    _ scales: ChannelScales?, probe: () throws -> IsolatedDrift
  ) throws -> Plans {
    var plan = clock.stage("quantize") {
      QuantizationPlanner(rangeMethod: options.rangeMethod, threads: options.threads).plan(
        graph, statistics: statistics)
    }
    plan.rounding = options.rounding
    if let scales {
      for node in graph.nodes where scales.isScaled(node.output) { plan.equalisation[node.name] = scales[node.output] }
    }
    plan.keepFloat(
      Dictionary(keptFloat.map { ($0.name, $0.layer) }, uniquingKeysWith: { first, _ in first }), in: graph)
    let reading = WideReading(graph, statistics)
    if given == nil { plan = try widened(plan, graph, reading, probe: probe) }
    if let given {
      // A bound on the time of inference needs the search's order, and a plan is never searched for.
      let widensOpenLayers = options.effort == .thorough && options.maxSlowdown == nil
      plan = try given.rounded(plan, reading, widensOpenLayers: widensOpenLayers)
    }
    let isDecided = given?.givesAllSteps ?? false
    guard !isDecided, options.maxBytes != nil || options.hidesWeightNoise else {
      return Plans(rounded: plan, final: try given?.final(plan), steps: nil)
    }
    let kept = Set(plan.layersKeptFloat(in: graph).map(\.name))
    let steps = WeightStepPlanner(graph, statistics: statistics, keepingFloat: kept, threads: options.threads)
    if options.hidesWeightNoise {
      let chosen = steps.steps(perBit: Self.noisePerBit, of: plan.formats(in: graph))
      for node in graph.nodes where given?.givesSteps(node) != true {
        plan.layers[node.name]?.minStep = chosen.least[node.name]
      }
    }
    return Plans(rounded: plan, final: try given?.final(plan), steps: steps)
  }

  /// The plan with the 16-bit inputs that the effort has from the start.
  private func widened(
    _ plan: QuantizationPlan, _ graph: Graph, _ reading: WideReading, probe: () throws -> IsolatedDrift
  ) throws -> QuantizationPlan {
    guard options.effort != .fast else { return plan }
    let costs = try CostTable(graph, imageSize: options.evaluation.size)
    guard options.effort == .balanced else {
      return EditPath(graph, plan, reading, costs).allWide(within: costs.limit(slowdown: options.maxSlowdown))
    }
    return try clock.stage("probe") {
      try DominantRounding(graph, plan, reading, costs, probe: try probe()).widened(maxSlowdown: options.maxSlowdown)
    }
  }
}
