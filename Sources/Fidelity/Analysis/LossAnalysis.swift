import Glibc

/// What quantisation lost in a network, and where.
package struct LossAnalysis: Hashable, Sendable {
  /// The name and version of the JSON form.
  package static let schema = "quern.analysis/1"

  /// The checkpoint, without its path.
  package var reference: FidelityReport.Reference
  /// The options that had a part in the result, by name.
  package var settings: [String: JSONValue]
  /// Of the whole network.
  package var figures: FidelityFigures
  /// Of each image, in rising order.
  package var drifts: [Double]
  /// The gates whose figures have an interval.
  package var confidence: [GateResult]
  package var calibration: CalibrationQuality
  /// In order of execution.
  package var layers: [LayerLoss]
  /// Images that layers were measured on.
  package var layerImages: Int
  /// Images that the drift due to single layers was measured on.
  package var isolatedImages: Int
  /// What a reader should know before trusting the figures.
  package var warnings: [String]
  /// What a checkpoint does not say and was taken for granted, in sentences.
  package var assumptions: [String] = []
  /// The version of the tool, and the images: those of calibration, and those that were measured on.
  package var toolVersion: String?
  package var calibrationSet: ImageSet?
  package var verificationSet: VerificationSet?
  /// The constants of a package of the network, in its order.
  package var tensors: [StoredTensor] = []
  /// The images that drifted most, the worst first.
  package var pictures: [Picture] = []

  package init(
    reference: FidelityReport.Reference, settings: [String: JSONValue], figures: FidelityFigures, drifts: [Double],
    confidence: [GateResult], calibration: CalibrationQuality, layers: [LayerLoss], layerImages: Int,
    isolatedImages: Int, warnings: [String]
  ) {
    self.reference = reference
    self.reference.path = nil
    self.settings = settings
    self.figures = figures
    self.drifts = drifts.sorted()
    self.confidence = confidence
    self.calibration = calibration
    self.layers = layers
    self.layerImages = layerImages
    self.isolatedImages = isolatedImages
    self.warnings = warnings
  }

  /// The layers by their own loss, the greatest first; those that lose nothing of their own last.
  package var layersByLoss: [LayerLoss] {
    layers.enumerated().sorted { a, b in
      let (x, y) = (a.element.ownNoise ?? -1, b.element.ownNoise ?? -1)
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }

  /// The layers that drift was measured of, the one first that causes most.
  package var layersByDrift: [LayerLoss] {
    layers.enumerated().filter { $0.element.isolatedDrift != nil }.sorted { a, b in
      let (x, y) = (a.element.isolatedDrift ?? 0, b.element.isolatedDrift ?? 0)
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }

  /// Counts of drifts in equal steps from 0 to the largest.
  package var driftHistogram: (step: Double, counts: [Int]) {
    let binCount = 24
    let step = (drifts.last ?? 0) / Double(binCount)
    guard step > 0 else { return (0, drifts.isEmpty ? [] : [drifts.count]) }
    var counts = [Int](repeating: 0, count: binCount)
    for drift in drifts { counts[min(Int(drift / step), binCount - 1)] += 1 }
    return (step, counts)
  }
}

/// What one node's output lost. Noise is the power of the error by the power of the float output.
package struct LayerLoss: Hashable, Sendable {
  /// The name of the node, and of its operator.
  package var name: String
  package var kind: String
  /// How it computes, how its output is held, and why.
  package var arithmetic: String
  package var format: String
  package var reason: String
  package var scale: Float?
  package var zeroPoint: Int?
  /// What the levels reach.
  package var range: ClosedRange<Float>?
  /// What calibration saw.
  package var observed: ClosedRange<Float>?
  /// Of the constants as they are stored, before compression.
  package var bytes: Int
  /// Of the int8 network's output against the float network's: what arrives here, the loss of all layers before included.
  package var cumulativeNoise: Double?
  /// Of holding the float output by the plan's levels, inside the range and outside. `nil` where nothing is rounded: the
  /// output is float, or its levels are those of the input.
  package var roundingNoise: Double?
  package var clippingNoise: Double?
  /// Of the float input through the int8 weights and the corrected bias; `nil` without weights.
  package var weightNoise: Double?
  /// The share of values outside the range.
  package var saturatedShare: Double?
  /// How far the ranges differ that two halves of the calibration images give, by the range.
  package var rangeDifference: Double?
  /// Mean drift of the embedding when only this output, or only these weights, are quantised.
  package var activationDrift: Double?
  package var weightDrift: Double?
  /// The same when this output is rounded without being clipped, and clipped without being rounded.
  package var roundingDrift: Double?
  package var clippingDrift: Double?
  /// Of the int8 weights; `nil` without such.
  package var levels: LevelHistogram?

  package init(name: String, kind: String, arithmetic: String, format: String, reason: String, bytes: Int) {
    self.name = name
    self.kind = kind
    self.arithmetic = arithmetic
    self.format = format
    self.reason = reason
    self.bytes = bytes
  }

  /// What is lost here, the three kinds of error taken as unrelated.
  package var ownNoise: Double? {
    let parts = [roundingNoise, clippingNoise, weightNoise].compactMap { $0 }
    return parts.isEmpty ? nil : parts.reduce(0, +)
  }

  /// The drift that output and weights cause one at a time, added up; `nil` where it was not measured.
  package var isolatedDrift: Double? {
    activationDrift == nil && weightDrift == nil ? nil : (activationDrift ?? 0) + (weightDrift ?? 0)
  }

  /// The signal-to-quantisation-noise ratio in dB; `nil` where there is no noise, or no signal.
  package static func decibels(_ noise: Double?) -> Double? {
    guard let noise, noise > 0, noise.isFinite else { return nil }
    return -10 * log10(noise)
  }
}

/// How well the calibration images settle the ranges.
package struct CalibrationQuality: Hashable, Sendable {
  /// How far ranges are from those of all images, by their widths.
  package struct Step: Hashable, Sendable {
    package var images: Int
    package var median: Double
    package var worst: Double

    package init(images: Int, median: Double, worst: Double) {
      (self.images, self.median, self.worst) = (images, median, worst)
    }
  }

  package var images: Int
  /// In words, what the network was verified on.
  package var verifiedOn: String
  /// Differences between the ranges of two halves of the images; `nil` with too few images to halve.
  package var halves: Step?
  /// The layer where the halves differ most.
  package var worstLayer: String?
  /// With a quarter, a half and three quarters of the images, each the mean over four choices of them.
  package var steps: [Step]
  /// Verification images whose content is that of a calibration image, in the order of the folder.
  package var overlap: [String]

  package init(images: Int, verifiedOn: String) {
    (self.images, self.verifiedOn) = (images, verifiedOn)
    steps = []
    overlap = []
  }
}
