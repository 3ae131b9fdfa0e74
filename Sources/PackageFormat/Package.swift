import Files
import Graphs
import Images

/// Everything a package holds.
package struct Package: Sendable {
  /// Nodes, formats, outputs, preprocessing and constants.
  package var graph: Graph
  package var info: PackageInfo
  /// A name for each class, in the order of the logits; empty where the names are unknown.
  package var labels: [String]
  /// One JSON text: provenance, calibration settings, fidelity figures. This module only stores it.
  package var metadata: String

  package init(graph: Graph, info: PackageInfo, labels: [String] = [], metadata: String = "") {
    self.graph = graph
    self.info = info
    self.labels = labels
    self.metadata = metadata
  }
}

/// What whoever runs a package has to know besides the graph.
package struct PackageInfo: Hashable, Sendable {
  /// What the package was converted for, at least one: first what it is used at unless told otherwise, then the others,
  /// ascending by size. They differ in size and exponent only.
  package var resolutions: [Resolution]
  /// The logits' number; 0 without a classifier.
  package var classCount: Int
  /// The embedding's length; positive.
  package var embeddingDimension: Int

  package init(resolutions: [Resolution], classCount: Int, embeddingDimension: Int) {
    precondition(!resolutions.isEmpty, "a package is for some size")
    self.resolutions = resolutions
    self.classCount = classCount
    self.embeddingDimension = embeddingDimension
  }

  /// What the package is used at unless told otherwise.
  package var standard: Resolution { resolutions[0] }

  /// What the package was converted for at a size; `nil`: nothing.
  package func resolution(side: Int) -> Resolution? { resolutions.first { $0.side == side } }
}

/// What was written.
package struct PackageSummary: Hashable, Sendable {
  package var byteCount: Int
  /// Names what the package computes, whatever the compression and the metadata (formats/package.md, "Content hash").
  package var contentHash: SHA256.Digest
  /// Of the whole file.
  package var sha256: SHA256.Digest
}
