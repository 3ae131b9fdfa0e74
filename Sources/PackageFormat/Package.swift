import Files
import Graphs
import Images

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
  /// What the package was converted for, at least one: first what it is used at unless told otherwise, then the others,
  /// ascending by size. They differ in size and exponent only.
  public var resolutions: [Resolution]
  /// The logits' number; 0 without a classifier.
  public var classCount: Int
  /// The embedding's length; positive.
  public var embeddingDimension: Int

  public init(resolutions: [Resolution], classCount: Int, embeddingDimension: Int) {
    precondition(!resolutions.isEmpty, "a package is for some size")
    self.resolutions = resolutions
    self.classCount = classCount
    self.embeddingDimension = embeddingDimension
  }

  /// What the package is used at unless told otherwise.
  public var standard: Resolution { resolutions[0] }

  /// What the package was converted for at a size; `nil`: nothing.
  public func resolution(side: Int) -> Resolution? { resolutions.first { $0.side == side } }
}

/// What was written.
public struct PackageSummary: Hashable, Sendable {
  public var byteCount: Int
  /// Names what the package computes, whatever the compression and the metadata (formats/package.md, "Content hash").
  public var contentHash: SHA256.Digest
  /// Of the whole file.
  public var sha256: SHA256.Digest
}
