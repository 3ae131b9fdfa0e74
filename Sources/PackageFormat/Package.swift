import Files
import Graphs
import Pixels

/// The contents of a package.
package struct Package: Sendable {
  /// The quantised graph, with its constants in memory.
  package var graph: Graph
  /// What a program that runs the network needs to know besides the graph.
  package var info: PackageInfo
  /// The name of each class, in the order of the logits; empty if the names are unknown.
  package var labels: [String]
  /// What the network computes for synthetic images; `nil` where it is not stored.
  package var selfTest: SelfTestRecord?
  /// The licence of the weights; `nil` where none is stated.
  package var license: PackageLicense?
  /// A JSON text with provenance, calibration settings and fidelity figures, which this module only stores.
  package var metadata: String

  package init(
    graph: Graph, info: PackageInfo, labels: [String] = [], selfTest: SelfTestRecord? = nil,
    license: PackageLicense? = nil, metadata: String = ""
  ) {
    self.graph = graph
    self.info = info
    self.labels = labels
    self.selfTest = selfTest
    self.license = license
    self.metadata = metadata
  }
}

/// What a program that runs a package needs to know besides the graph.
package struct PackageInfo: Hashable, Sendable {
  /// The resolutions that the package was converted for, at least one. The first is the default; the others ascend by
  /// size. They differ in size and exponent only.
  package var resolutions: [Resolution]
  /// The number of logits; 0 without a classifier.
  package var classCount: Int
  /// The number of elements of the embedding; positive.
  package var embeddingDimension: Int

  /// - Parameters:
  ///   - resolutions: at least one, the default first.
  ///   - classCount: the number of logits; 0 without a classifier.
  ///   - embeddingDimension: the number of elements of the embedding; positive.
  package init(resolutions: [Resolution], classCount: Int, embeddingDimension: Int) {
    precondition(!resolutions.isEmpty, "a package must have a resolution")
    self.resolutions = resolutions
    self.classCount = classCount
    self.embeddingDimension = embeddingDimension
  }

  /// The resolution that the package is used at by default.
  package var standard: Resolution { resolutions[0] }

  /// The resolution of a size in pixels; `nil` if the package was not converted for that size.
  package func resolution(side: Int) -> Resolution? { resolutions.first { $0.side == side } }
}

/// The size and the hashes of a package that was written.
package struct PackageSummary: Hashable, Sendable {
  /// The size of the file in bytes.
  package var byteCount: Int
  /// Identifies what the package computes, independently of compression and metadata (formats/package.md, "Content
  /// hash").
  package var contentHash: SHA256.Digest
  /// The hash of the whole file.
  package var sha256: SHA256.Digest
}
