import Fidelity
import Graphs
import Operators
import PackageFormat
import Pixels

/// The sizes, the crop and the resizing that the user requests. What is left open is decided by a package, or by the
/// size that a model fixes, or else by the defaults.
package struct ResolutionRequest: Hashable, Sendable {
  /// A requested size.
  package struct Size: Hashable, Sendable {
    /// The side of images in pixels.
    package var side: Int
    /// The exponent of GeM pooling for images of this size; `nil`: the common exponent.
    package var poolingExponent: Double?
    /// Whether a conversion chooses the exponent on its calibration images.
    package var choosesExponent = false

    /// A size, with an exponent where it differs from the common one.
    package init(side: Int, poolingExponent: Double? = nil) {
      self.side = side
      self.poolingExponent = poolingExponent
    }
  }

  /// The sizes; empty where they are left open.
  package var sizes: [Size]
  /// The crop; `nil`: left open.
  package var crop: CropProtocol?
  /// The filter of resizing; `nil`: left open.
  package var filter: ResizeFilter?
  /// The ratio of the side of a square crop to the short side of the resized image; `nil`: left open.
  package var cropRatio: Double?

  /// The sides for which a conversion chooses the exponent.
  var tunedSides: [Int] { sizes.filter(\.choosesExponent).map(\.side) }

  /// The request with the network's exponent until others are chosen.
  var untuned: ResolutionRequest {
    var request = self
    for index in sizes.indices { request.sizes[index].choosesExponent = false }
    return request
  }

  /// The default side of images in pixels.
  package static let defaultSide = 224

  /// A request; everything is left open by default.
  package init(
    sizes: [Size] = [], crop: CropProtocol? = nil, filter: ResizeFilter? = nil, cropRatio: Double? = nil
  ) {
    (self.sizes, self.crop, self.filter, self.cropRatio) = (sizes, crop, filter, cropRatio)
  }

  /// The resolutions that result from the request, at least one.
  ///
  /// - Parameters:
  ///   - info: the description of the package that decides what is left open; `nil` without a package.
  ///   - fixedSide: the side in pixels that a model fixes; `nil` where it fixes none. Evaluated only where neither the
  ///     request nor a package has a size.
  ///   - poolingExponent: the common exponent, for sizes that request no other; `nil`: that of the package.
  /// - Returns: resolutions whose exponents are `nil` where neither the request nor the package has one.
  /// - Throws: `ConversionError.option` for a size that is given twice, and for an exponent that is to be chosen;
  ///   `ImageError` for a size that no image can have; what `fixedSide` throws.
  package func resolutions(
    of info: PackageInfo? = nil, fixedSide: @autoclosure () throws -> Int? = nil, poolingExponent: Double? = nil
  ) throws -> [Resolution] {
    let stored = info?.standard.evaluation
    var sizes = sizes
    if sizes.isEmpty {
      let sides = try info?.resolutions.map(\.side) ?? [fixedSide() ?? Self.defaultSide]
      sizes = sides.map { Size(side: $0) }
    }
    if let side = tunedSides.first {
      throw ConversionError.option(
        "--size \(side):auto is for convert and plan; choose the exponent with 'quern tune' and give it")
    }
    let sides = sizes.map(\.side)
    if let repeated = sides.first(where: { side in sides.count { $0 == side } > 1 }) {
      throw ConversionError.option("--size \(repeated) is given twice")
    }
    return try sizes.map { size in
      let evaluation = try EvaluationProtocol(
        crop: crop ?? stored?.crop ?? .square, size: size.side, filter: filter ?? stored?.filter ?? .bilinear,
        cropRatio: cropRatio ?? stored?.cropRatio ?? EvaluationProtocol.defaultCropRatio)
      return Resolution(
        evaluation,
        poolingExponent: size.poolingExponent ?? poolingExponent ?? info?.resolution(side: size.side)?.poolingExponent)
    }
  }
}

extension ModelFile {
  /// Sets the exponent of GeM pooling to that of a resolution, if it has one.
  ///
  /// - Throws: `ConversionError.option` where there is an exponent, but the embedding does not come from one pooling.
  package mutating func serve(_ resolution: Resolution) throws(ConversionError) {
    guard let exponent = resolution.poolingExponent else { return }
    try graph.pool(by: exponent, side: resolution.side)
  }

  /// A remark that the package was not calibrated and verified for a resolution, as a sentence; `nil` where it was, and
  /// for a checkpoint.
  package func remark(on resolution: Resolution) -> String? {
    guard let info else { return nil }
    func described(_ evaluation: EvaluationProtocol) -> String {
      evaluation.crop.rawValue + evaluation.resizingRemark
    }
    let evaluation = resolution.evaluation
    let exponent = resolution.poolingExponent ?? graph.poolingExponent
    if let verified = info.resolution(side: resolution.side), verified.evaluation == evaluation,
      exponent == nil || exponent == verified.poolingExponent
    {
      return nil
    }
    let sizes = info.resolutions.map { "\($0.side) px" + ($0.poolingExponent.map { " with p = \($0)" } ?? "") }
    let requested = "\(resolution.side) px" + (exponent.map { " with p = \($0)" } ?? "")
    return
      "the package was calibrated and verified for \(sizes.joined(separator: ", ")), "
      + "\(described(info.standard.evaluation)); its figures do not hold for \(requested), \(described(evaluation))"
  }
}

extension Graph {
  /// Sets the exponent by which the embedding is pooled.
  ///
  /// - Parameter side: the side of images in pixels.
  /// - Throws: `ConversionError.option` where the exponent is not positive, where the embedding does not come from one
  ///   GeM or average pooling alone, or where it is the mean of a single pixel; the message names the node.
  mutating func pool(by exponent: Double, side: Int) throws(ConversionError) {
    if exponent != 1, averagesOnePixel(side: side), let index = try? embeddingPooling() {
      throw .option(
        "the GeM exponent \(shortest(exponent)) cannot be used at \(side) px: '\(nodes[index].name)' takes the mean of a "
          + "single pixel, as after a linear layer of a flattened map, so that there is nothing to pool")
    }
    do throws(GraphError) { try setPoolingExponent(exponent) } catch {
      throw .option("the GeM exponent \(shortest(exponent)) cannot be used: \(error)")
    }
  }
}
