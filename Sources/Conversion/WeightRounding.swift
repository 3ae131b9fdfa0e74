import Calibration
import Graphs
import Images
import Pixels
import Quantization
import Rounding
import Runtime

/// The stage that chooses the steps of weights, where a budget may require coarser ones, and rounds weights to levels.
struct WeightRounding {
  let options: ConversionOptions
  let progress: any ProgressObserver
  let clock: StageClock
  /// The calibration images. Broken ones are left out here; calibration reports them.
  let files: [ImageFolder.File]
  /// One for each size; images alternate between them.
  let augmentations: [Augmentation]
  /// Decoded images, shared with other stages.
  let cache: ImageCache?

  /// The steps and the levels of all weights.
  ///
  /// - Parameters:
  ///   - float: the float graph.
  ///   - planned: the plan to round by.
  ///   - reserve: the number of bytes to reserve for the parts of a package that are unknown before it is verified.
  ///   - byteCount: measures the size of the package of a graph, without metadata.
  func levels(
    _ float: Graph, _ planned: Planning.Plans, reserve: Int, byteCount: (Graph) throws -> Int
  ) throws -> (WeightSteps, WeightLevels) {
    let plan = planned.rounded
    guard let planner = planned.steps, let maxBytes = options.maxBytes else {
      return (plan.weightSteps, try rounded(plan, float, plan.rounding))
    }
    let finest = try Lowering.lower(float, plan: plan, levels: try nearest(plan, float)).graph
    // Learned levels compress to about as many bytes as those of error feedback, which are faster to compute.
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
      // Lowering does not depend on the steps of the plan.
      try clock.stage("budget") { try byteCount(try Lowering.lower(float, plan: plan, levels: levels).graph) }
    }
    return (chosen, isLearned ? try rounded(with(chosen), float, .learned) : levels)
  }

  /// The number of bytes to reserve for the parts of a package that are unknown before it is verified: the metadata,
  /// the self-test, and which layers read 16-bit inputs.
  static func reserve(sizes: Int, skipped: Int, images: Int) -> Int {
    10240 + 4096 * (sizes - 1) + 256 * skipped + ImageKeys.length * min(images, ImageKeys.limit)
  }

  private func nearest(_ plan: QuantizationPlan, _ float: Graph) throws -> WeightLevels {
    try clock.stage("quantize") { try WeightLevels.nearest(float, plan: plan, threads: options.threads) }
  }

  /// The levels by a plan and a rounding method. Error feedback samples the inputs of only some layers at a time, so
  /// that they fit into memory.
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
    // The number of images depends on the smallest size, which has the fewest positions, and memory on the largest.
    let sides = augmentations.map(\.evaluation.size)
    let (minSide, maxSide) = (sides.min() ?? options.evaluation.size, sides.max() ?? options.evaluation.size)
    let requiredCount = try LayerInputs.imageCount(for: nearest, imageSize: minSide)
    let sample = files.spread(requiredCount)
    let maxRepetitions = options.distinctCopies(sizes: augmentations.count)
    let repetitions = min(maxRepetitions, (requiredCount + sample.count - 1) / max(sample.count, 1))
    let imageCount = sample.count * repetitions
    let sampler = try clock.stage("sample") {
      try LayerSampler(nearest, sample, repetitions: repetitions, augmentations, threads: options.threads, cache: cache)
    }
    for part in try LayerInputs.parts(of: nearest, imageSize: maxSide, imageCount: imageCount) {
      let inputs = LayerInputs(nearest, nodes: part, imageCount: imageCount)
      try clock.stage("sample", total: imageCount) { [progress] in
        try sampler.record(inputs) { progress.advance() }
      }
      let rounder = WeightRounder(float, lowered, levels, inputs: inputs, threads: options.threads)
      let rounded = try clock.stage("round", total: rounder.layerCount, unit: .layers) {
        try rounder.rounded { [progress] in progress.advance() }
      }
      levels.merge(rounded)
    }
    return levels
  }
}
