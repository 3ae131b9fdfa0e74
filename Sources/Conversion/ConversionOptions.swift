import Fidelity
import Images
import Inference
import PackageFormat
import Pixels
import Quantization
import Retrieval

/// The options of a conversion.
package struct ConversionOptions: Sendable {
  /// The path of the checkpoint.
  package var checkpoint: String
  /// The path of the package to write.
  package var output: String
  /// The path of the folder with calibration images.
  package var calibrationFolder: String
  /// Whether images to calibrate on are given. Without them, only networks that are quantised already can be converted;
  /// `calibrationFolder` is then that of the verification images.
  package var calibrates = true
  /// The number of images to calibrate on; `nil`: all, at most `defaultImageLimit`, except for a fifth that is held out
  /// where there is no verification folder.
  package var calibrationCount: Int?
  /// The path of the folder with verification images; `nil`: images of the calibration folder are held out.
  package var verificationFolder: String?
  /// The sizes, the crop and the resizing as requested.
  private let request: ResolutionRequest
  /// The sizes that the package is to serve, at least one: first its default, then the others in ascending order, so
  /// that the order of the request does not change the result. Where one has no exponent, GeM pools with that of the
  /// network.
  package private(set) var resolutions: [Resolution]
  /// How calibration images are augmented.
  package var recipe: AugmentationRecipe
  /// The number of copies of each calibration image: one as in evaluation, and the others augmented.
  package var repetitions: Int
  /// The seed of the random numbers of augmentations.
  package var seed: UInt64
  /// How ranges are chosen from the values that calibration saw.
  package var rangeMethod: RangeMethod
  /// How weights are rounded.
  package var rounding: RoundingMethod
  /// Whether to magnify small channels of activations before they are quantised.
  package var equalizesChannels: Bool
  /// How to read the checkpoint.
  package var model: ModelFile.Options
  /// The names of the classes; `nil`: those of the checkpoint, or else of the class folders.
  package var classNames: ClassNameList?
  /// How to whiten the network before it is converted; `nil`: not at all.
  package var whitening: WhiteningOptions?
  /// How exponents of GeM pooling were chosen; empty where none was.
  private var tunings: [TuningReport] = []
  /// The limits that the package has to meet.
  package var gates: Gates
  /// How matches are decided, to compare the decisions of both networks; `nil`: they are not compared.
  package var decisionRule: DecisionRule?
  /// The outputs of the original framework that the float network is compared with before calibration.
  package var referenceCheck = ReferenceOptions()
  /// How much time the conversion may take for fidelity. Use `setEffort` to change it with the options that follow from
  /// it.
  package var effort: Effort
  /// The layers whose weights are not quantised: node names, prefixes of them up to a dot, or patterns.
  package var keptFloat: [String]
  /// The licence of the weights, to be stored in the package; `nil`: none is stated.
  package var license: PackageLicense?
  /// A plan whose decisions are carried out instead of being computed, and without a search; `nil`: none.
  package private(set) var plan: PlanFile?
  /// The number of seconds after which no further search for a network that passes its gates begins; `nil`: no limit.
  package var timeBudget: Double?
  /// Whether verification stops when its images decide every gate; `nil`: only where the images are held out of the
  /// calibration folder, not with a verification folder.
  package var stopsWhenDecided: Bool?
  /// The maximum inference time for the sake of gates, relative to the network with everything in int8 that can be: 1.5
  /// allows half as much again; `nil`: no limit.
  package var maxSlowdown: Double?
  /// The budget of the package in bytes; `nil`: no limit.
  package var maxBytes: Int?
  /// The path of a folder where finished stages are stored and from which they are resumed; `nil`: none.
  package var resumeFolder: String?
  /// Whether to leave broken images out instead of failing.
  package var skipsBrokenImages: Bool
  /// The number of threads.
  package var threads: Int

  /// Options with the defaults of `quern convert`.
  ///
  /// - Throws: `ConversionError.option` for a size that is given twice; `ImageError` for a size that no image can have.
  package init(
    checkpoint: String, output: String, calibrationFolder: String, resolution request: ResolutionRequest, gates: Gates,
    threads: Int
  ) throws {
    self.checkpoint = checkpoint
    self.output = output
    self.calibrationFolder = calibrationFolder
    self.request = request
    resolutions = Self.ordered(try request.untuned.resolutions())
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

  /// The maximum number of images where the user gives no number.
  package static let defaultImageLimit = 300
}

extension ConversionOptions {
  /// Uses the decisions of a plan file, among them its range and rounding method.
  ///
  /// - Throws: `PlanError.option` for a rounding or range method that does not exist.
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

  /// Whether rounding activations adds so much more noise than rounding weights that coarser weights hardly change
  /// embeddings.
  var hidesWeightNoise: Bool { effort == .balanced && rounding == .errorFeedback }

  /// The number of different copies of each image: without augmentation, one for each size.
  ///
  /// - Parameter sizes: the number of sizes that copies alternate between.
  func distinctCopies(sizes: Int) -> Int { recipe == .none ? sizes : repetitions }

  func augmentation(_ resolution: Resolution) -> Augmentation {
    Augmentation(recipe: recipe, evaluation: resolution.evaluation, seed: seed)
  }

  /// How images are resized and cropped for the first size.
  package var evaluation: EvaluationProtocol { resolutions[0].evaluation }

  /// The requested sides of images in pixels.
  var requestedSides: [Int] { request.sizes.map(\.side) }

  /// Uses the size that the checkpoint fixes, where it fixes one and no size was requested.
  ///
  /// - Throws: `ImageError` for a size that no image can have; what `fixedSide` throws, where it is needed.
  mutating func take(fixedSide: @autoclosure () throws -> Int?) throws {
    resolutions = Self.ordered(try request.untuned.resolutions(fixedSide: try fixedSide()))
  }

  /// The sides for which the exponent of GeM pooling is to be chosen.
  var tunedSides: [Int] { request.tunedSides }

  /// Uses the exponents that were chosen.
  mutating func take(_ tunings: [TuningReport]) {
    self.tunings = tunings
    for tuning in tunings {
      for index in resolutions.indices where resolutions[index].side == tuning.size {
        resolutions[index] = Resolution(
          resolutions[index].evaluation, poolingExponent: tuning.exponent)
      }
    }
  }

  private static func ordered(_ resolutions: [Resolution]) -> [Resolution] {
    resolutions.prefix(1) + resolutions.dropFirst().sorted { $0.side < $1.side }
  }

  /// All options that influence the result, by name, to tell conversions apart.
  func identity(_ images: ImageSelection) -> [String: String] {
    var result = settings(images).mapValues { "\($0)" }
    result["gates"] = "\(gates)"
    result["network options"] = "\(model)"
    result["class names"] = classNames?.names.joined(separator: "\n")
    result["--keep-float"] = keptFloat.joined(separator: ", ")
    result["sizes"] = "\(resolutions)"
    result["time budget"] = timeBudget.map { "\($0)" }
    result["skips bad images"] = "\(skipsBrokenImages)"
    result["stops when decided"] = stopsWhenDecided.map { "\($0)" }
    result["decision rule"] = decisionRule.map { "\($0)" }
    result["plan"] = plan.flatMap { try? $0.sha256() }
    return result
  }

  /// The options that influenced the result, for reports.
  ///
  /// - Parameter isStored: whether the quantisation is that of the file, so that most options have no effect.
  func settings(_ images: ImageSelection, isStored: Bool = false) -> [String: JSONValue] {
    if isStored {
      let settings: [String: JSONValue] = [
        "quantization": .string("stored in the model"), "verified_on": .string(images.verifiedOn),
      ]
      return settings.merging(evaluation.settings) { $1 }
    }
    var result: [String: JSONValue] = [
      "augmentation": .string(recipe.rawValue), "repetitions": .int(repetitions),
      "calibration_images": .int(images.calibration.count), "seed": .string(String(seed)),
      "effort": .string(effort.rawValue), "range_method": .string(rangeMethod.name),
      "rounding": .string(rounding.rawValue),
      "equalization": .bool(equalizesChannels),
      "verified_on": .string(images.verifiedOn),
    ]
    if !tunings.isEmpty { result["tuned_exponents"] = .array(tunings.map { .object($0.record) }) }
    if let record = whitening?.record { result["whitening"] = .object(record) }
    if let maxBytes { result["max_bytes"] = .int(maxBytes) }
    if let maxSlowdown { result["max_slowdown"] = .number(maxSlowdown) }
    if let order = model.channelOrder, order != .rgb { result["channel_order"] = .string(order.rawValue) }
    return result.merging(evaluation.settings) { $1 }
  }
}

extension EvaluationProtocol {
  /// How images become inputs, for reports; what is not the default of the filter, the crop ratio and the orientation.
  var settings: [String: JSONValue] {
    var result: [String: JSONValue] = ["size": .int(size), "crop": .string(crop.rawValue)]
    if filter != .bilinear { result["resize"] = .string(filter.rawValue) }
    if crop == .square, cropRatio != Self.defaultCropRatio { result["crop_ratio"] = .number(cropRatio) }
    if EXIFOrientation.isApplied { result["exif_orientation"] = .bool(true) }
    return result
  }
}
