import Fidelity
import Images
import Inference
import Quantization

/// What a conversion is asked to do.
package struct ConversionOptions: Sendable {
  package var checkpoint: String
  package var output: String
  package var calibrationFolder: String
  /// Images to calibrate on; `nil`: all, at most 300, but a fifth where there is no folder to verify on.
  package var calibrationCount: Int?
  package var verificationFolder: String?
  /// What was asked for of how images are looked at.
  package let request: ResolutionRequest
  /// How images are looked at: what the package is to serve, first what it is used at unless told otherwise, then the others
  /// ascending, so that their order has no part in the result. At least one; without an exponent GeM pools as the network does.
  package private(set) var resolutions: [Resolution]
  package var recipe: AugmentationRecipe
  package var repetitions: Int
  package var seed: UInt64
  package var rangeMethod: RangeMethod
  package var rounding: RoundingMethod
  /// Magnify small channels of activations before they are quantised.
  package var equalizesChannels: Bool
  package var model: ModelFile.Options
  package var gates: Gates
  /// What the float network is held to before calibration.
  package var referenceCheck = ReferenceOptions()
  package var effort: Effort
  /// Layers whose weights are not quantised: node names, beginnings of them up to a point, or patterns.
  package var keptFloat: [String]
  /// Decisions that are not to be taken anew, and then nothing is searched for; `nil`: none.
  package private(set) var plan: PlanFile?
  /// Seconds after which no further search for a network that keeps its gates begins; `nil`: no bound.
  package var timeBudget: Double?
  /// Whether verification ends when its images decide every gate; `nil`: where images of the calibration folder are held out
  /// to verify on, but not on a folder of their own.
  package var stopsWhenDecided: Bool?
  /// By how much inference may be slower than with all that can be int8 in int8, for the sake of gates: 1.5 is half as much
  /// again; `nil`: no bound.
  package var maxSlowdown: Double?
  /// Bytes that the package may have; `nil`: no bound.
  package var maxBytes: Int?
  /// A folder where finished stages are kept, and taken from; `nil`: none.
  package var resumeFolder: String?
  package var skipsBrokenImages: Bool
  package var threads: Int

  /// - Throws: `ConversionError.option` for a size that is there twice; `ImageError` for one that no image can have.
  package init(
    checkpoint: String, output: String, calibrationFolder: String, resolution request: ResolutionRequest, gates: Gates,
    threads: Int
  ) throws {
    self.checkpoint = checkpoint
    self.output = output
    self.calibrationFolder = calibrationFolder
    self.request = request
    resolutions = Self.ordered(try request.resolutions())
    self.gates = gates
    self.threads = threads
    effort = .balanced
    keptFloat = []
    recipe = .full
    repetitions = 3
    seed = 0
    rangeMethod = .meanSquaredError
    rounding = .errorFeedback
    equalizesChannels = true
    model = ModelFile.Options()
    skipsBrokenImages = false
  }

  /// How many images are used where the user names no number.
  package static let defaultImageLimit = 300
}

extension ConversionOptions {
  /// Takes the decisions of a plan file.
  ///
  /// - Throws: `PlanError.option` for a rounding or range method that there is none of.
  package mutating func take(_ plan: PlanFile) throws(PlanError) {
    if let name = plan.rounding {
      guard let method = RoundingMethod(rawValue: name) else {
        throw .option("rounding", name, RoundingMethod.allCases.map(\.rawValue))
      }
      rounding = method
    }
    if let name = plan.rangeMethod {
      guard let method = RangeMethod(name: name) else {
        throw .option("range_method", name, ["mse", "min-max", "percentile 99.99"])
      }
      rangeMethod = method
    }
    self.plan = plan
  }

  /// Whether activations are rounded so much more coarsely than weights that these need not be finer than embeddings notice.
  var hidesWeightNoise: Bool { effort == .balanced && rounding == .errorFeedback }

  /// Copies of each image that differ, where they take turns in some sizes: without random choices one of each size.
  func distinctCopies(sizes: Int) -> Int { recipe == .none ? sizes : repetitions }

  func augmentation(_ resolution: Resolution) -> Augmentation {
    Augmentation(recipe: recipe, evaluation: resolution.evaluation, seed: seed)
  }

  /// How images are looked at for the first size.
  package var evaluation: EvaluationProtocol { resolutions[0].evaluation }

  /// Takes a size that the checkpoint fixes, where no size was asked for.
  ///
  /// - Throws: `ImageError` for one that no image can have.
  mutating func take(fixedSide: Int) throws {
    resolutions = Self.ordered(try request.resolutions(fixedSide: fixedSide))
  }

  private static func ordered(_ resolutions: [Resolution]) -> [Resolution] {
    resolutions.prefix(1) + resolutions.dropFirst().sorted { $0.side < $1.side }
  }

  /// All options that have a part in the result, by name, for telling conversions apart.
  func identity(_ images: ImageSelection) -> [String: String] {
    var result = settings(images).mapValues { "\($0)" }
    result["gates"] = "\(gates)"
    result["network options"] = "\(model)"
    result["--keep-float"] = keptFloat.joined(separator: ", ")
    result["sizes"] = "\(resolutions)"
    result["time budget"] = timeBudget.map { "\($0)" }
    result["skips bad images"] = "\(skipsBrokenImages)"
    result["stops when decided"] = stopsWhenDecided.map { "\($0)" }
    result["plan"] = plan.flatMap { try? $0.sha256() }
    return result
  }

  /// What had a part in the result, for reports.
  func settings(_ images: ImageSelection) -> [String: JSONValue] {
    var result: [String: JSONValue] = [
      "size": .int(evaluation.size), "crop": .string(evaluation.crop.rawValue),
      "augmentation": .string(recipe.rawValue), "repetitions": .int(repetitions),
      "calibration_images": .int(images.calibration.count), "seed": .string(String(seed)),
      "effort": .string(effort.rawValue), "range_method": .string(rangeMethod.name),
      "rounding": .string(rounding.rawValue),
      "equalization": .bool(equalizesChannels),
      "verified_on": .string(images.verifiedOn),
    ]
    if let maxBytes { result["max_bytes"] = .int(maxBytes) }
    if let maxSlowdown { result["max_slowdown"] = .number(maxSlowdown) }
    return result.merging(preprocessingSettings) { $1 }
  }

  /// What differs from the defaults of preprocessing.
  var preprocessingSettings: [String: JSONValue] {
    var result = evaluation.resizingSettings
    if let order = model.channelOrder, order != .rgb { result["channel_order"] = .string(order.rawValue) }
    return result
  }
}

extension EvaluationProtocol {
  /// For reports: filter and crop ratio where they are not the defaults.
  var resizingSettings: [String: JSONValue] {
    var result: [String: JSONValue] = [:]
    if filter != .bilinear { result["resize"] = .string(filter.rawValue) }
    if crop == .square, cropRatio != Self.defaultCropRatio { result["crop_ratio"] = .number(cropRatio) }
    return result
  }
}
