import Graphs
import Kernels
import Operators
import PackageFormat
import Runtime
import Tensors

/// A network in a package, opened to be run: all that a device loads.
package struct PackagedNetwork: Sendable {
  package let reader: PackageReader
  /// Quantised; its constants are only described, and read by `executable`.
  package private(set) var graph: Graph

  /// - Throws: `PackageError`.
  package init(path: String) throws(PackageError) { try self.init(try PackageReader.open(path: path)) }

  /// - Throws: `PackageError` where the graph is not as its format says, or has an operator that there is none of.
  package init(_ reader: PackageReader) throws(PackageError) {
    self.reader = reader
    graph = try reader.describedGraph(decodeOperator: OperatorCatalogue.decode)
  }

  /// - Parameter graph: that of the reader, or what became of it without its constants.
  package init(_ reader: PackageReader, graph: Graph) { (self.reader, self.graph) = (reader, graph) }

  /// Makes GeM pool by another exponent.
  ///
  /// - Throws: `GraphError.attribute` where the exponent is not positive; `.structure` where nothing pools by GeM.
  package mutating func pool(by exponent: Double) throws(GraphError) { try graph.setPoolingExponent(exponent) }

  /// The network made ready to run. It is decompressed node by node, so that its weights are in memory once.
  ///
  /// - Parameter threads: that make it ready.
  /// - Throws: `GraphError` where it cannot run; `PackageError` where its constants are damaged.
  package func executable(kernels: KernelSet = KernelSet(), threads: Int) throws -> Executable {
    defer { reader.releasePages() }
    return try Executable(graph, kernels: kernels, threads: threads, loading: reader.constantsByNode())
  }

  /// The graph with all its constants in memory.
  ///
  /// - Parameter threads: that decompress them.
  /// - Throws: `PackageError` where they are damaged.
  package func loadedGraph(threads: Int) throws(PackageError) -> Graph {
    var result = try reader.readGraph(threads: threads, decodeOperator: OperatorCatalogue.decode)
    for (index, node) in graph.nodes.enumerated() { result.nodes[index].op = node.op }
    return result
  }
}
