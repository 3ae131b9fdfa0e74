import Calibration
import Graphs
import Quantization
import Search

/// The stage that decides how values are held and layers compute, before weights are rounded.
struct Planning {
  let options: ConversionOptions
  let clock: StageClock

  /// What was decided.
  struct Plans {
    /// By which weights are rounded.
    let rounded: QuantizationPlan
    /// The plan to carry out in the end, where one was given.
    let final: QuantizationPlan?
    /// Decides the steps of weights that a budget asks for; `nil` where they are decided.
    let steps: WeightStepPlanner?
  }

  /// What a bit of every weight may cost, by the noise of rounded activations, which then is the larger by far: rounding by
  /// error feedback leaves a tenth of it, and a third of a bit is what is saved.
  private static let noisePerBit = 0.4

  /// - Parameters:
  ///   - graph: folded and equalised.
  ///   - keptFloat: layers that are to be kept in float.
  ///   - given: a plan file.
  ///   - scales: by which the graph was equalised.
  func plans(
    _ graph: Graph, _ statistics: ActivationStatistics, keptFloat: [KeptFloat], _ given: GivenPlan?,
    _ scales: ChannelScales?
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
    if options.effort == .thorough, given == nil {
      let costs = try CostTable(graph, imageSize: options.evaluation.size)
      plan = EditPath(graph, plan, reading, costs).allWide(within: costs.limit(slowdown: options.maxSlowdown))
    }
    if let given { plan = try given.rounded(plan, reading) }
    let isDecided = given?.givesAllSteps ?? false
    guard !isDecided, options.maxBytes != nil || options.hidesWeightNoise else {
      return Plans(rounded: plan, final: try given?.final(plan), steps: nil)
    }
    let kept = Set(plan.layersKeptFloat(in: graph).map(\.name))
    let steps = WeightStepPlanner(graph, statistics: statistics, keepingFloat: kept, threads: options.threads)
    if options.hidesWeightNoise {
      let chosen = steps.steps(perBit: Self.noisePerBit, of: plan.formats(in: graph))
      for node in graph.nodes where given?.givesSteps(node) != true {
        plan.layers[node.name]?.leastStep = chosen.least[node.name]
      }
    }
    return Plans(rounded: plan, final: try given?.final(plan), steps: steps)
  }
}
