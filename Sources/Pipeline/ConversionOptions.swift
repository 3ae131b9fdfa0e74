import Fidelity
import Images
import Quantization

/// What a conversion is asked to do.
public struct ConversionOptions: Sendable {
  public var checkpoint: String
  public var output: String
  public var calibrationFolder: String
  /// Images to calibrate on; `nil`: all, at most 300.
  public var calibrationCount: Int?
  public var verificationFolder: String?
  public var evaluation: EvaluationProtocol
  public var recipe: AugmentationRecipe
  public var repetitions: Int
  public var seed: UInt64
  public var rangeMethod: RangeMethod
  public var rounding: RoundingMethod
  /// Magnify small channels of activations before they are quantised.
  public var equalizesChannels: Bool
  public var model: ModelFile.Options
  public var gates: Gates
  public var effort: Effort
  /// Layers whose weights are not quantised: node names, beginnings of them up to a point, or patterns.
  public var keptFloat: [String]
  /// Seconds after which no further search for a network that keeps its gates begins; `nil`: no bound.
  public var timeBudget: Double?
  public var skipsBrokenImages: Bool
  public var threads: Int

  public init(
    checkpoint: String, output: String, calibrationFolder: String, evaluation: EvaluationProtocol, gates: Gates,
    threads: Int
  ) {
    self.checkpoint = checkpoint
    self.output = output
    self.calibrationFolder = calibrationFolder
    self.evaluation = evaluation
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
  public static let defaultImageLimit = 300
}

/// How weights are rounded to their levels.
public enum RoundingMethod: String, Sendable, CaseIterable {
  /// Each to the nearest.
  case nearest
  /// So that each layer's outputs change least on calibration images.
  case errorFeedback = "error-feedback"
}

extension ConversionOptions {
  var augmentation: Augmentation { Augmentation(recipe: recipe, evaluation: evaluation, seed: seed) }

  /// What had a part in the result, for reports.
  func settings(_ images: ImageSelection) -> [String: JSONValue] {
    [
      "size": .int(evaluation.size), "crop": .string(evaluation.crop.rawValue),
      "augmentation": .string(recipe.rawValue), "repetitions": .int(repetitions),
      "calibration_images": .int(images.calibration.count), "seed": .string(String(seed)),
      "effort": .string(effort.rawValue), "range_method": .string(rangeMethod.name),
      "rounding": .string(rounding.rawValue),
      "equalization": .bool(equalizesChannels),
      "verified_on": .string(images.verifiedOn),
    ]
  }
}
