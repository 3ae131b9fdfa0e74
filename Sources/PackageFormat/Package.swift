import Files
import Graphs

/// Everything a package holds.
public struct Package: Sendable {
  /// Nodes, formats, outputs, preprocessing and constants.
  public var graph: Graph
  public var info: PackageInfo
  /// A name for each class, in the order of the logits; empty where the names are unknown.
  public var labels: [String]
  /// One JSON text: provenance, calibration settings, fidelity figures. This module only stores it.
  public var metadata: String

  public init(graph: Graph, info: PackageInfo, labels: [String] = [], metadata: String = "") {
    self.graph = graph
    self.info = info
    self.labels = labels
    self.metadata = metadata
  }
}

/// What whoever runs a package has to know besides the graph.
public struct PackageInfo: Hashable, Sendable {
  /// How an image becomes the input. The raw values are stored: never renumber.
  public enum Crop: UInt8, Sendable, Hashable, CaseIterable {
    /// Short side to the size divided by the crop ratio, then the central square of the size.
    case square = 1
    /// Long side to the size, the whole image.
    case rect = 2
  }

  /// The side, in pixels, that the package was converted for; positive.
  public var imageSize: Int
  public var crop: Crop
  /// The logits' number; 0 without a classifier.
  public var classCount: Int
  /// The embedding's length; positive.
  public var embeddingDimension: Int
  /// The exponent p of generalised-mean pooling; positive, infinite for max pooling.
  public var poolingExponent: Float

  /// Sizes that the package was converted for besides `imageSize`, ascending, each with an exponent of its own.
  public var furtherSizes: [Size]

  /// How images are resized, at every size.
  public var resizing: Resizing

  /// A filter of Pillow's antialiased resize. The raw values are stored: never renumber.
  public enum ResizeFilter: UInt8, Sendable, Hashable, CaseIterable {
    case bilinear = 1
    case bicubic = 2
    case lanczos = 3
  }

  /// How images are resized.
  public struct Resizing: Hashable, Sendable {
    public var filter: ResizeFilter
    /// What a square crop keeps of the short side of the resized image, in `cropRatios`.
    public var cropRatio: Double

    public static let cropRatios = 0.1...1.0
    /// What holds where a package says nothing.
    public static let standard = Resizing(filter: .bilinear, cropRatio: 0.875)

    public init(filter: ResizeFilter, cropRatio: Double) {
      self.filter = filter
      self.cropRatio = cropRatio
    }
  }

  /// A size that a package was converted for.
  public struct Size: Hashable, Sendable {
    /// The side, in pixels; positive.
    public var imageSize: Int
    /// The exponent p of generalised-mean pooling for images of this size; positive, infinite for max pooling.
    public var poolingExponent: Double

    public init(imageSize: Int, poolingExponent: Double) {
      self.imageSize = imageSize
      self.poolingExponent = poolingExponent
    }
  }

  public init(
    imageSize: Int, crop: Crop, classCount: Int, embeddingDimension: Int, poolingExponent: Float,
    furtherSizes: [Size] = [], resizing: Resizing = .standard
  ) {
    self.imageSize = imageSize
    self.crop = crop
    self.classCount = classCount
    self.embeddingDimension = embeddingDimension
    self.poolingExponent = poolingExponent
    self.furtherSizes = furtherSizes
    self.resizing = resizing
  }

  /// Whether the package was converted for images of this size.
  public func serves(size: Int) -> Bool { size == imageSize || furtherSizes.contains { $0.imageSize == size } }
}

extension PackageInfo.Crop: CustomStringConvertible {
  public var description: String {
    switch self {
    case .square: "square"
    case .rect: "rect"
    }
  }
}

/// What was written.
public struct PackageSummary: Hashable, Sendable {
  public var byteCount: Int
  /// Names what the package computes, whatever the compression and the metadata (formats/package.md, "Content hash").
  public var contentHash: SHA256.Digest
  /// Of the whole file.
  public var sha256: SHA256.Digest
}
