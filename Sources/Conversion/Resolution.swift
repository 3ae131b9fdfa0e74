import Graphs
import Images
import Operators
import PackageFormat

/// A size of images that was asked for.
public struct ImageSize: Hashable, Sendable {
  /// The side in pixels.
  public var side: Int
  /// The exponent of GeM for images of this size; `nil`: the one that the network has for all.
  public var poolingExponent: Double?

  public init(side: Int, poolingExponent: Double? = nil) {
    self.side = side
    self.poolingExponent = poolingExponent
  }
}

/// A size of images with what belongs to it: how they are cropped, and by which exponent GeM pools. MultiGrain networks are
/// used at sizes that they were not trained for, with an exponent fitted to each (Berman et al., arXiv 1902.05509).
public struct Resolution: Hashable, Sendable {
  public let evaluation: EvaluationProtocol
  /// `nil`: the network's, as it is.
  public let poolingExponent: Double?

  public init(_ evaluation: EvaluationProtocol, poolingExponent: Double? = nil) {
    self.evaluation = evaluation
    self.poolingExponent = poolingExponent
  }
}

extension PackageInfo {
  /// The sizes that the package was converted for, the first first.
  public var sizes: [Size] {
    [Size(imageSize: imageSize, poolingExponent: Double(poolingExponent))] + furtherSizes
  }

  public var cropProtocol: CropProtocol { crop == .rect ? .rect : .square }

  /// How images of a size become inputs.
  ///
  /// - Throws: `ImageError` for a size that no image can have.
  public func evaluation(size: Int) throws(ImageError) -> EvaluationProtocol {
    try EvaluationProtocol(
      crop: cropProtocol, size: size, filter: resizing.filter.filter, cropRatio: resizing.cropRatio)
  }
}

extension PackageInfo.ResizeFilter {
  var filter: ResizeFilter {
    switch self {
    case .bilinear: .bilinear
    case .bicubic: .bicubic
    case .lanczos: .lanczos
    }
  }

  init(_ filter: ResizeFilter) {
    switch filter {
    case .bilinear: self = .bilinear
    case .bicubic: self = .bicubic
    case .lanczos: self = .lanczos
    }
  }
}

extension PackageInfo.Resizing {
  /// Rectangular crops have no use for a ratio, so that they state the default.
  init(_ evaluation: EvaluationProtocol) {
    self.init(
      filter: PackageInfo.ResizeFilter(evaluation.filter),
      cropRatio: evaluation.crop == .square ? evaluation.cropRatio : Self.standard.cropRatio)
  }

  /// What differs from the default, to follow a crop protocol: ", bicubic, crop ratio 0.95".
  var remark: String {
    (filter == .bilinear ? "" : ", \(filter)")
      + (cropRatio == Self.standard.cropRatio ? "" : ", crop ratio \(cropRatio)")
  }
}

extension ModelFile {
  /// Makes the network one for images of a size: GeM pools by `poolingExponent`, or else by what a package has for the size,
  /// or else as it does.
  ///
  /// - Throws: `PipelineError.option` where an exponent is given and nothing pools by GeM.
  public mutating func serve(size: Int, poolingExponent: Double?) throws(PipelineError) {
    let stored = package?.info.furtherSizes.first { $0.imageSize == size }?.poolingExponent
    // Packages of networks that do not pool by GeM state 1.
    guard let exponent = poolingExponent ?? (graph.poolingExponent == nil ? nil : stored) else { return }
    try graph.pool(by: exponent)
  }

  /// What a package has no figures for, if images of a size are looked at in this way, in a sentence; `nil` where it has, and
  /// for a checkpoint.
  public func remark(on resolution: Resolution) -> String? {
    guard let info = package?.info else { return nil }
    let evaluation = resolution.evaluation
    let kind = info.cropProtocol
    let known = info.sizes.first { $0.imageSize == evaluation.size }
    let exponent = resolution.poolingExponent ?? graph.poolingExponent
    // The first size's exponent is stored as a float.
    let isPooledSo = known.map { known in exponent.map { Float($0) == Float(known.poolingExponent) } ?? true } ?? false
    let isResizedSo = PackageInfo.Resizing(evaluation) == info.resizing
    guard evaluation.crop != kind || !isPooledSo || !isResizedSo else { return nil }
    let described = info.sizes.map { "\($0.imageSize) px with p = \($0.poolingExponent)" }.joined(separator: ", ")
    let asked = "\(evaluation.size) px" + (exponent.map { " with p = \($0)" } ?? "")
    return
      "the package was calibrated and verified for \(described), \(kind.rawValue)\(info.resizing.remark): its figures do "
      + "not hold for \(asked), \(evaluation.crop.rawValue)\(PackageInfo.Resizing(evaluation).remark)"
  }
}

extension Graph {
  /// Sets the exponent of the head's GeM pooling.
  ///
  /// - Throws: `PipelineError.option` where nothing pools by GeM.
  mutating func pool(by exponent: Double) throws(PipelineError) {
    do throws(GraphError) { try setPoolingExponent(exponent) } catch {
      throw .option("the GeM exponent \(exponent) cannot be used: \(error)")
    }
  }
}
