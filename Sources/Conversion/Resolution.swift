import Graphs
import Inference
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

extension ModelFile {
  /// Makes the network one for images of a size: GeM pools by `poolingExponent`, or else by what a package has for the size,
  /// or else as it does.
  ///
  /// - Throws: `ConversionError.option` where an exponent is given and nothing pools by GeM.
  public mutating func serve(size: Int, poolingExponent: Double?) throws(ConversionError) {
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
  /// - Throws: `ConversionError.option` where nothing pools by GeM.
  mutating func pool(by exponent: Double) throws(ConversionError) {
    do throws(GraphError) { try setPoolingExponent(exponent) } catch {
      throw .option("the GeM exponent \(exponent) cannot be used: \(error)")
    }
  }
}
