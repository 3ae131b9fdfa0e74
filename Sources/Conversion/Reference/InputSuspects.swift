import Graphs
import ModelImport
import Pixels
import Tensors
import Threads

/// Looks for the preprocessing that turned the images into a framework's input tensors.
struct InputSuspects {
  private let context: DifferenceExplanation

  init(_ context: DifferenceExplanation) { self.context = context }

  enum Explanation {
    /// This view reproduces the input.
    case found(InputView)
    /// The view that is set reproduces the input, so preprocessing is not the cause.
    case same
    /// The image is stretched to the input's size without keeping its aspect ratio.
    case stretched(ResizeFilter)
    /// No view reproduces the input; the pixels of this one are the nearest, off by at most `steps` of 255.
    case nearest(InputView, steps: Double)
    /// No view comes near the input.
    case none

    /// The explanation as sentences for the report.
    func sentences(_ context: DifferenceExplanation) -> [String] {
      switch self {
      case .found(let view): return [context.remedy(view)]
      case .same: return ["preprocessing is the same"]
      case .stretched(let filter):
        return [
          "preprocessing differs: the framework stretches images to its input's size (\(filter.rawValue)) without keeping "
            + "their aspect ratio, which quern keeps; let the framework resize the short side and crop the centre"
        ]
      case .nearest(let view, let steps):
        let options = view.options(changing: context.view).joined(separator: " ")
        return [
          "preprocessing differs in a way that no option explains; the nearest is "
            + (options.isEmpty ? "the preprocessing that is set" : options)
            + ", with pixels off by up to \(steps.roundedText) of 255 steps: "
            + "the framework may decode or resize with a library other than Pillow"
        ]
      case .none: return ["preprocessing differs in a way that none of the usual suspects explains"]
      }
    }
  }

  /// By how many of 255 steps pixels may be off where a view reproduces the input.
  private static let exact = 0.02
  /// By how many they may be off where a view is reported as the nearest.
  private static let near = 24.0

  /// A view that makes an input, up to an error of so many of 255 steps.
  private struct Fit {
    let view: InputView
    let steps: Double
  }

  /// - Throws: `ImageError` where an image cannot be read.
  func explanation(_ rows: [ReferenceChecker.Row]) throws -> Explanation {
    let sample = try rows.filter { $0.input != nil }.prefix(3).map { row in
      (input: row.input, pixels: try LoadedImage(row.file).pixels)
    }
    guard let first = sample.first, let input = first.input else { return .none }
    let values = input.elements(as: Float.self)
    var best: Fit?
    for evaluations in stages(height: input.shape[1], width: input.shape[2]) {
      // A fit beyond this limit changes nothing.
      let limit = min(best?.steps ?? .infinity, Self.near)
      let fits = SlotStore<Fit>()
      ThreadTeam(count: max(1, min(context.threads, evaluations.count))).forEach(evaluations.count) { index, _ in
        guard let pixels = try? evaluations[index].apply(to: first.pixels) else { return }
        fits[index] = fit(evaluations[index], pixels, input.shape, values, within: limit)
      }
      for fit in fits.inOrder where fit.steps < best?.steps ?? .infinity { best = fit }
      if let best, best.steps <= Self.exact { break }
    }
    if let best, best.steps <= Self.exact {
      // One image may not be enough to tell views apart, so others must confirm the result.
      for (input, pixels) in sample.dropFirst() {
        guard let input, let other = try? best.view.evaluation.apply(to: pixels),
          let fit = fit(
            best.view.evaluation, other, input.shape, input.elements(as: Float.self), within: Self.exact),
          fit.steps <= Self.exact
        else { return .nearest(best.view, steps: best.steps) }
      }
      return best.view.causes(changing: context.view).isEmpty ? .same : .found(best.view)
    }
    for filter in ResizeFilter.allCases {
      guard
        let pixels = try? first.pixels.resized(width: input.shape[2], height: input.shape[1], filter: filter),
        let stretched = fit(context.view.evaluation, pixels, input.shape, values, within: Self.exact),
        stretched.steps <= Self.exact
      else { continue }
      return .stretched(filter)
    }
    guard let best, best.steps <= Self.near else { return .none }
    return .nearest(best.view, steps: best.steps)
  }

  /// The evaluation protocols to try, in stages: the one that is set, its usual variations, and every resize from which
  /// the input's size can be cropped.
  private func stages(height: Int, width: Int) -> [[EvaluationProtocol]] {
    let given = context.view.evaluation
    let side = max(height, width)
    func make(_ crop: CropProtocol, _ filter: ResizeFilter, _ ratio: Double) -> EvaluationProtocol? {
      try? EvaluationProtocol(crop: crop, size: side, filter: filter, cropRatio: ratio)
    }
    let filters = [given.filter] + ResizeFilter.allCases.filter { $0 != given.filter }
    var stages = [[make(given.crop, given.filter, given.cropRatio)]]
    stages.append(filters.dropFirst().map { make(given.crop, $0, given.cropRatio) })
    stages.append(filters.map { make(.rect, $0, EvaluationProtocol.defaultCropRatio) })
    if height == width {
      for shorts in ResizeCandidates.shortSides(side, filters: filters.count) {
        stages.append(
          shorts.flatMap { short in filters.map { make(.square, $0, UsualRatios.ratio(size: side, short: short)) } })
      }
    }
    return stages.map { $0.compactMap { $0 } }.filter { !$0.isEmpty }
  }

  /// The normalisation and the order of channels that bring the pixels closest to the input, by least squares for each
  /// channel; `nil` if the sizes differ, the input does not grow with the pixels, or it is off by more steps than the
  /// limit.
  private func fit(
    _ evaluation: EvaluationProtocol, _ pixels: RGBImage, _ shape: Shape, _ values: [Float], within limit: Double
  ) -> Fit? {
    guard shape.dimensions == [3, pixels.height, pixels.width] else { return nil }
    // Both orders have green in the middle.
    guard let green = Line(pixels, color: 1, values, channel: 1, within: limit) else { return nil }
    let order = context.view.channelOrder
    let orders = [order] + ChannelOrder.allCases.filter { $0 != order }
    let fits = orders.compactMap { order -> Fit? in
      var normalization = context.view.normalization
      var steps = 0.0
      for channel in 0..<3 {
        let color = order == .rgb ? channel : 2 - channel
        guard let line = channel == 1 ? green : Line(pixels, color: color, values, channel: channel, within: limit)
        else { return nil }
        steps = max(steps, line.steps)
        normalization.std[color] = Float(1 / (255 * line.slope)).snapped
        normalization.mean[color] = Float(-line.offset / (255 * line.slope)).snapped
      }
      guard normalization.std.allSatisfy({ $0 > 0 && $0.isFinite }) else { return nil }
      if normalization.isClose(to: context.view.normalization) { normalization = context.view.normalization }
      return Fit(
        view: InputView(evaluation: evaluation, normalization: normalization, channelOrder: order), steps: steps)
    }
    return fits.min { $0.steps < $1.steps }
  }
}

/// The resizes that an input may have been cropped from.
package enum ResizeCandidates {
  /// The number of pixels in all crops, besides those of usual crop ratios. All short sides are tried for crops of 224
  /// and of 256 pixels.
  package static let pixelLimit = 1 << 26

  /// The short sides to resize to before a square crop, in stages: those near the crop, and those up to twice as long.
  /// As the pixels of all crops grow with the third power of the side, large ones are only made from the nearest short
  /// sides and from those of usual crop ratios.
  ///
  /// - Parameters:
  ///   - side: that of the crop.
  ///   - filters: the number of resizes to each short side.
  package static func shortSides(_ side: Int, filters: Int) -> [[Int]] {
    guard side > 0 else { return [] }
    let usual = Set(UsualRatios.all.map { Int(Double(side) / $0) })
    var others = pixelLimit / max(1, filters * side * side)
    let near = side + side / 5 + 1
    return [side..<near, near..<max(near, 2 * side)].map { shorts in
      shorts.filter { short in
        if usual.contains(short) { return true }
        others -= 1
        return others >= 0
      }
    }
  }
}

/// The line that fits the points (pixel, input) of one channel.
private struct Line {
  let slope: Double
  let offset: Double
  /// The largest deviation from the line, in pixel steps of 1/255.
  let steps: Double

  /// - Returns: `nil` if all pixels are equal, the input does not grow with them, or it deviates by more steps than the
  ///   limit.
  init?(_ image: RGBImage, color: Int, _ input: [Float], channel: Int, within limit: Double) {
    let count = image.width * image.height
    let values = input[channel * count..<(channel + 1) * count]
    var (p, v, pp, pv) = (0.0, 0.0, 0.0, 0.0)
    for (index, value) in values.enumerated() {
      let (pixel, value) = (Double(image.pixels[3 * index + color]), Double(value))
      (p, v, pp, pv) = (p + pixel, v + value, pp + pixel * pixel, pv + pixel * value)
    }
    let n = Double(count)
    let spread = pp - p * p / n
    slope = spread > 0 ? (pv - p * v / n) / spread : 0
    guard slope > 0, slope.isFinite else { return nil }
    offset = (v - slope * p) / n
    var largest = 0.0
    for (index, value) in values.enumerated() {
      largest = max(largest, abs(Double(value) - slope * Double(image.pixels[3 * index + color]) - offset))
      if largest > limit * slope, largest / slope > limit { return nil }
    }
    steps = largest / slope
  }
}

extension Float {
  /// The number rounded to four decimals, or 1/255, where the fit cannot tell it from that, and otherwise to six
  /// decimals.
  fileprivate var snapped: Float {
    if abs(self * 255 - 1) < 1e-5 { return 1 / 255 }
    let rounded = (self * 1e4).rounded() / 1e4
    if abs(self - rounded) < 3e-6 { return rounded == 0 ? 0 : rounded }
    return (self * 1e6).rounded() / 1e6
  }
}

extension Double {
  fileprivate var roundedText: String { self < 10 ? "\((self * 100).rounded() / 100)" : "\(Int(self.rounded()))" }
}
