import Calibration
import Graphs
import Images
import Quantization
import Rounding
import Runtime

/// The stage that decides the steps of weights, where something asks for coarser ones, and rounds weights to levels.
struct WeightRounding {
  let options: ConversionOptions
  let progress: any ProgressObserver
  let clock: StageClock
  /// The calibration images, whose broken ones are left out here; calibration names them.
  let files: [ImageFolder.File]
  /// Of the sizes that images take turns in.
  let augmentations: [Augmentation]
  /// Of images that other stages look at, too.
  let cache: ImageCache?

  /// The steps and the levels of all weights by a plan.
  ///
  /// - Parameters:
  ///   - reserve: bytes of a package that are not known before it is verified.
  ///   - byteCount: of the package of a graph, except for metadata.
  func levels(
    _ float: Graph, _ planned: Planning.Plans, reserve: Int, byteCount: (Graph) throws -> Int
  ) throws -> (WeightSteps, WeightLevels) {
    let plan = planned.rounded
    guard let planner = planned.steps, let maxBytes = options.maxBytes else {
      return (plan.weightSteps, try rounded(plan, float, plan.rounding))
    }
    let finest = try Lowering.lower(float, plan: plan, levels: try nearest(plan, float)).graph
    // What is learned takes about as many bytes as what error feedback gives, which is quicker to have.
    let isLearned = plan.rounding == .learned
    let room = isLearned ? maxBytes - maxBytes / 200 : maxBytes
    let budget = ByteBudget(
      limit: room - reserve - 8 * finest.nodes.count, planner: planner, finest: plan.weightSteps)
    let first = try clock.stage("budget") { budget.firstSteps(finestBytes: try byteCount(finest)) }
    func with(_ steps: WeightSteps) -> QuantizationPlan {
      var result = plan
      result.weightSteps = steps
      return result
    }
    let (chosen, levels) = try budget.fit(first) { steps in
      try rounded(with(steps), float, isLearned ? .errorFeedback : plan.rounding)
    } byteCount: { levels in
      // Steps have no part in lowering.
      try clock.stage("budget") { try byteCount(try Lowering.lower(float, plan: plan, levels: levels).graph) }
    }
    return (chosen, isLearned ? try rounded(with(chosen), float, .learned) : levels)
  }

  /// Bytes of a package that are not known before it is verified: the metadata, and which nodes read 16 bits.
  static func reserve(sizes: Int, skipped: Int, images: Int) -> Int {
    6144 + 4096 * (sizes - 1) + 256 * skipped + ImageKeys.length * min(images, ImageKeys.limit)
  }

  private func nearest(_ plan: QuantizationPlan, _ float: Graph) throws -> WeightLevels {
    try clock.stage("quantize") { try WeightLevels.nearest(float, plan: plan, threads: options.threads) }
  }

  /// The levels that a rounding method gives by a plan: by what layers read, some layers at a time so that it fits into
  /// memory.
  private func rounded(
    _ plan: QuantizationPlan, _ float: Graph, _ method: RoundingMethod
  ) throws -> WeightLevels {
    var levels = try nearest(plan, float)
    if method == .nearest { return levels }
    let lowered = try Lowering.lower(float, plan: plan, levels: levels)
    if method == .learned {
      return try SequentialRounding(options: options, progress: progress, clock: clock, cache: cache).rounded(
        lowered, levels, float: float, files, augmentations)
    }
    let nearest = lowered.graph
    // Small images have the fewest positions, and large ones take the most memory.
    let sides = augmentations.map(\.evaluation.size)
    let (least, side) = (sides.min() ?? options.evaluation.size, sides.max() ?? options.evaluation.size)
    let wanted = try LayerInputs.imageCount(for: nearest, imageSize: least)
    let sample = files.spread(wanted)
    let most = options.distinctCopies(sizes: augmentations.count)
    let repetitions = min(most, (wanted + sample.count - 1) / max(sample.count, 1))
    let imageCount = sample.count * repetitions
    let sampler = try clock.stage("sample") {
      try LayerSampler(nearest, sample, repetitions: repetitions, augmentations, threads: options.threads, cache: cache)
    }
    for part in try LayerInputs.parts(of: nearest, imageSize: side, imageCount: imageCount) {
      let inputs = LayerInputs(nearest, nodes: part, imageCount: imageCount)
      try clock.stage("sample", total: imageCount) { [progress] in
        try sampler.record(inputs) { progress.advance() }
      }
      let rounder = WeightRounder(float, lowered, levels, inputs: inputs, threads: options.threads)
      let rounded = try clock.stage("round", total: rounder.layerCount) {
        try rounder.rounded { [progress] in progress.advance() }
      }
      levels.merge(rounded)
    }
    return levels
  }
}
