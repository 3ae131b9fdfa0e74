import Graphs
import Images
import PackageFormat

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
  package var filter: ResizeFilter {
    switch self {
    case .bilinear: .bilinear
    case .bicubic: .bicubic
    case .lanczos: .lanczos
    }
  }

  package init(_ filter: ResizeFilter) {
    switch filter {
    case .bilinear: self = .bilinear
    case .bicubic: self = .bicubic
    case .lanczos: self = .lanczos
    }
  }
}

extension PackageInfo.Resizing {
  /// Rectangular crops have no use for a ratio, so that they state the default.
  package init(_ evaluation: EvaluationProtocol) {
    self.init(
      filter: PackageInfo.ResizeFilter(evaluation.filter),
      cropRatio: evaluation.crop == .square ? evaluation.cropRatio : Self.standard.cropRatio)
  }

  /// What differs from the default, to follow a crop protocol: ", bicubic, crop ratio 0.95".
  package var remark: String {
    (filter == .bilinear ? "" : ", \(filter)")
      + (cropRatio == Self.standard.cropRatio ? "" : ", crop ratio \(cropRatio)")
  }
}
