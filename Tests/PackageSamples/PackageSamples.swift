import Graphs
import PackageFormat
import Pixels
import Tensors

extension Package {
  /// A package of a graph for one size.
  package init(sample graph: Graph, side: Int = 1, classCount: Int = 0, embeddingDimension: Int = 1) throws {
    self.init(
      graph: graph,
      info: PackageInfo(
        resolutions: [Resolution(try EvaluationProtocol(crop: .square, size: side), poolingExponent: 3)],
        classCount: classCount, embeddingDimension: embeddingDimension))
  }
}

extension PackageReader {
  /// A reader of bytes in memory.
  package init(_ bytes: [UInt8]) throws(PackageError) {
    try self.init(storage: TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }, path: "memory")
  }
}
