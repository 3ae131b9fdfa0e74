import Glibc

/// What quantisation costs a network in fidelity, and which layers are responsible.
package struct LossAnalysis: Hashable, Sendable {
  /// The name and version of the JSON form.
  package static let schema = "quern.analysis/1"

  /// The checkpoint, without its path.
  package var reference: FidelityReport.Reference
  /// The options that influenced the result, by name.
  package var settings: [String: JSONValue]
  /// The figures of the whole network.
  package var figures: FidelityFigures
  /// The drift of each image, in ascending order.
  package var drifts: [Double]
  /// The gates whose figures have an interval.
  package var confidence: [GateResult]
  /// How well the calibration images determine the ranges.
  package var calibration: CalibrationQuality
  /// The loss of each node's output, in order of execution.
  package var layers: [LayerLoss]
  /// The number of images that layers were measured on.
  package var layerImages: Int
  /// The number of images that the drift due to single layers was measured on.
  package var isolatedImages: Int
  /// What a reader should know before trusting the figures.
  package var warnings: [String]
  /// What the checkpoint does not state and the conversion assumed, in sentences.
  package var assumptions: [String] = []
  /// The version of the tool.
  package var toolVersion: String?
  /// The calibration images.
  package var calibrationSet: ImageSet?
  /// The images that drift was measured on.
  package var verificationSet: VerificationSet?
  /// The constants that a package of the network would store, in its order.
  package var tensors: [StoredTensor] = []
  /// The images with the greatest drift, the worst first.
  package var pictures: [Picture] = []

  /// - Parameters:
  ///   - reference: its path is dropped.
  ///   - drifts: in any order.
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

  /// The layers by `layerNoise`, the greatest first; those without a figure last.
  package var layersByLoss: [LayerLoss] {
    layers.enumerated().sorted { a, b in
      let (x, y) = (a.element.layerNoise ?? -1, b.element.layerNoise ?? -1)
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }

  /// The layers whose isolated drift was measured, the greatest first.
  package var layersByDrift: [LayerLoss] {
    layers.enumerated().filter { $0.element.isolatedDrift != nil }.sorted { a, b in
      let (x, y) = (a.element.isolatedDrift ?? 0, b.element.isolatedDrift ?? 0)
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }

  /// The number of images by drift, in equal steps from 0 to the largest drift.
  package var driftHistogram: (step: Double, counts: [Int]) {
    let binCount = 24
    let step = (drifts.last ?? 0) / Double(binCount)
    guard step > 0 else { return (0, drifts.isEmpty ? [] : [drifts.count]) }
    var counts = [Int](repeating: 0, count: binCount)
    for drift in drifts { counts[min(Int(drift / step), binCount - 1)] += 1 }
    return (step, counts)
  }
}

/// The loss in one node's output. Noise is the power of the error divided by the power of the float output.
package struct LayerLoss: Hashable, Sendable {
  /// The name of the node.
  package var name: String
  /// The name of its operator.
  package var kind: String
  /// The arithmetic it computes in, such as "int8".
  package var arithmetic: String
  /// The format of its output, such as "uint8 with remainders".
  package var format: String
  /// Why the plan chose this format.
  package var reason: String
  /// The scale of the output's levels; `nil` where the output is float.
  package var scale: Float?
  /// The level that stands for 0; `nil` where the output is float.
  package var zeroPoint: Int?
  /// The range that the levels cover.
  package var range: ClosedRange<Float>?
  /// The range of the values that calibration saw.
  package var observed: ClosedRange<Float>?
  /// The names of the nodes whose outputs it reads, by slot; that of the image is left out.
  package var inputs: [String] = []
  /// The bytes of the node's constants, before compression.
  package var bytes: Int
  /// The noise of the int8 network's output against the float network's, including the loss of all layers before.
  package var cumulativeNoise: Double?
  /// The noise of rounding the float output to the plan's levels, inside the range. `nil` where nothing is rounded: the
  /// output is float, or its levels are those of the input.
  package var roundingNoise: Double?
  /// The noise of clipping the float output to the range; `nil` as for `roundingNoise`.
  package var clippingNoise: Double?
  /// The noise of the output for float input when only the weights are int8, with the corrected bias; `nil` without
  /// weights.
  package var weightNoise: Double?
  /// The share of values outside the range, from 0 to 1.
  package var saturatedShare: Double?
  /// By how much the ranges from two halves of the calibration images differ, relative to the range.
  package var rangeDifference: Double?
  /// Mean drift of the embedding when only this output is quantised.
  package var activationDrift: Double?
  /// Mean drift of the embedding when only these weights are quantised.
  package var weightDrift: Double?
  /// Mean drift of the embedding when this output is rounded without being clipped.
  package var roundingDrift: Double?
  /// Mean drift of the embedding when this output is clipped without being rounded.
  package var clippingDrift: Double?
  /// The distribution of the int8 weights; `nil` without such weights.
  package var levels: LevelHistogram?

  /// A node whose output has not been measured yet.
  package init(name: String, kind: String, arithmetic: String, format: String, reason: String, bytes: Int) {
    self.name = name
    self.kind = kind
    self.arithmetic = arithmetic
    self.format = format
    self.reason = reason
    self.bytes = bytes
  }

  /// The noise that this layer adds: the sum of the three kinds, which assumes that they are uncorrelated.
  package var layerNoise: Double? {
    let parts = [roundingNoise, clippingNoise, weightNoise].compactMap { $0 }
    return parts.isEmpty ? nil : parts.reduce(0, +)
  }

  /// The sum of the drift due to the output alone and due to the weights alone; `nil` where neither was measured.
  package var isolatedDrift: Double? {
    activationDrift == nil && weightDrift == nil ? nil : (activationDrift ?? 0) + (weightDrift ?? 0)
  }

  /// The signal-to-quantisation-noise ratio in dB; `nil` where there is no noise, or no signal.
  package static func decibels(_ noise: Double?) -> Double? {
    guard let noise, noise > 0, noise.isFinite else { return nil }
    return -10 * log10(noise)
  }
}

/// How well the calibration images determine the ranges.
package struct CalibrationQuality: Hashable, Sendable {
  /// By how much ranges from some of the images differ from others, relative to their widths.
  package struct Step: Hashable, Sendable {
    /// The number of images.
    package var images: Int
    /// The median over the layers.
    package var median: Double
    /// The maximum over the layers.
    package var worst: Double

    package init(images: Int, median: Double, worst: Double) {
      (self.images, self.median, self.worst) = (images, median, worst)
    }
  }

  /// The number of calibration images.
  package var images: Int
  /// A description of the images that the network was verified on.
  package var verifiedOn: String
  /// Differences between the ranges from two halves of the images; `nil` with too few images to split.
  package var halves: Step?
  /// The layer with the largest difference between the halves.
  package var worstLayer: String?
  /// Differences between the ranges from a quarter, a half and three quarters of the images and those from all images,
  /// each averaged over four choices of the images.
  package var steps: [Step]
  /// The names of verification images whose contents are those of a calibration image, in the order of the folder.
  package var overlap: [String]

  /// The quality of ranges that have not been compared yet.
  package init(images: Int, verifiedOn: String) {
    (self.images, self.verifiedOn) = (images, verifiedOn)
    steps = []
    overlap = []
  }
}
