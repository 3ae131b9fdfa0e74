import Graphs
import Images
import Operators
import PackageFormat

/// What is asked for of how images are looked at. What is left open is a package's, or what a model fixes, or the default.
package struct ResolutionRequest: Hashable, Sendable {
  /// A size that is asked for.
  package struct Size: Hashable, Sendable {
    /// The side in pixels.
    package var side: Int
    /// The exponent of GeM for images of this size; `nil`: that of all.
    package var poolingExponent: Double?

    package init(side: Int, poolingExponent: Double? = nil) {
      self.side = side
      self.poolingExponent = poolingExponent
    }
  }

  /// Empty: left open.
  package var sizes: [Size]
  package var crop: CropProtocol?
  package var filter: ResizeFilter?
  package var cropRatio: Double?

  /// The side of images where nothing says another.
  package static let defaultSide = 224

  package init(
    sizes: [Size] = [], crop: CropProtocol? = nil, filter: ResizeFilter? = nil, cropRatio: Double? = nil
  ) {
    (self.sizes, self.crop, self.filter, self.cropRatio) = (sizes, crop, filter, cropRatio)
  }

  /// What that comes to, at least one.
  ///
  /// - Parameters:
  ///   - info: of the package that is looked at.
  ///   - fixedSide: the side that a model fixes.
  ///   - poolingExponent: that is asked for of sizes without one of their own.
  /// - Returns: exponents are `nil` where neither the request nor the package has one.
  /// - Throws: `ConversionError.option` for a size that is there twice; `ImageError` for one that no image can have.
  package func resolutions(
    of info: PackageInfo? = nil, fixedSide: Int? = nil, poolingExponent: Double? = nil
  ) throws -> [Resolution] {
    let stored = info?.standard.evaluation
    let open = info?.resolutions.map(\.side) ?? [fixedSide ?? Self.defaultSide]
    let sizes = sizes.isEmpty ? open.map { Size(side: $0) } : sizes
    let sides = sizes.map(\.side)
    if let twice = sides.first(where: { side in sides.count { $0 == side } > 1 }) {
      throw ConversionError.option("--size \(twice) is given twice")
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
  /// Makes the network one for images that are looked at so: GeM pools by the exponent, if there is one.
  ///
  /// - Throws: `ConversionError.option` where there is one and nothing pools by GeM.
  package mutating func serve(_ resolution: Resolution) throws(ConversionError) {
    guard let exponent = resolution.poolingExponent else { return }
    try graph.pool(by: exponent)
  }

  /// What a package has no figures for, if images are looked at in this way, in a sentence; `nil` where it has, and for a
  /// checkpoint.
  package func remark(on resolution: Resolution) -> String? {
    guard let info else { return nil }
    func described(_ evaluation: EvaluationProtocol) -> String {
      evaluation.crop.rawValue + evaluation.resizingRemark
    }
    let evaluation = resolution.evaluation
    let exponent = resolution.poolingExponent ?? graph.poolingExponent
    if let known = info.resolution(side: resolution.side), known.evaluation == evaluation,
      exponent == nil || exponent == known.poolingExponent
    {
      return nil
    }
    let sizes = info.resolutions.map { "\($0.side) px" + ($0.poolingExponent.map { " with p = \($0)" } ?? "") }
    let asked = "\(resolution.side) px" + (exponent.map { " with p = \($0)" } ?? "")
    return
      "the package was calibrated and verified for \(sizes.joined(separator: ", ")), \(described(info.standard.evaluation)): "
      + "its figures do not hold for \(asked), \(described(evaluation))"
  }
}

extension Graph {
  /// Sets the exponent of the head's GeM pooling.
  ///
  /// - Throws: `ConversionError.option` where nothing pools by GeM.
  mutating func pool(by exponent: Double) throws(ConversionError) {
    do throws(GraphError) { try setPoolingExponent(exponent) } catch {
      throw .option("the GeM exponent \(exponent) cannot be used: \(error)")
    }
  }
}
