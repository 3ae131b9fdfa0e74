import Graphs
import Kernels
import Operators
import PackageFormat
import Runtime
import Tensors

/// A network in a package that is open, ready to be made executable. It is all that a device has to load.
package struct PackagedNetwork: Sendable {
  /// The open package.
  package let reader: PackageReader
  /// The quantised graph. Its constants have a type and a shape but no elements, which `executable` reads.
  package private(set) var graph: Graph

  /// The bytes of constants that nodes may have beyond twice those of the package.
  private static let freeConstantBytes = 32 << 20

  /// Opens the package at `path`.
  ///
  /// - Throws: as `PackageReader.open`; `PackageError.graph` where an operator is unknown or refuses its attributes, or
  ///   the nodes do not form a valid graph.
  package init(path: String) throws(PackageError) { try self.init(try PackageReader.open(path: path)) }

  /// - Parameter reader: the open package.
  /// - Throws: `PackageError.graph` where an operator is unknown or refuses its attributes, or the nodes do not form a
  ///   valid graph.
  package init(_ reader: PackageReader) throws(PackageError) {
    self.reader = reader
    let limit = Self.freeConstantBytes + 2 * reader.constantByteCount
    // A list of channels is a hundred bytes of a file and up to 8 MB of memory, and there may be thousands of nodes.
    var free = limit
    graph = try reader.describedGraph { wireName, attributes throws(GraphError) in
      let op = try OperatorCatalogue.decode(wireName, attributes)
      free -= op.listBytes
      guard free >= 0 else { throw .structure("the nodes up to this one list more channels than \(limit) bytes hold") }
      return op
    }
    do throws(GraphError) { try graph.checkConstants(limit: limit) } catch { throw .graph(error) }
  }

  /// - Parameters:
  ///   - reader: the open package.
  ///   - graph: the reader's graph, which may have been rewritten, but not in its constants.
  package init(_ reader: PackageReader, graph: Graph) { (self.reader, self.graph) = (reader, graph) }

  /// Sets the exponent of GeM.
  ///
  /// - Throws: `GraphError.attribute` where the exponent is not positive; `GraphError.structure` where the embedding
  ///   does not come from one pooling.
  package mutating func pool(by exponent: Double) throws(GraphError) { try graph.setPoolingExponent(exponent) }

  /// Makes the network ready to run. Its constants are decompressed node by node, so that memory holds one copy of
  /// them.
  ///
  /// - Parameters:
  ///   - kernels: the kernels to run with.
  ///   - threads: the number of threads that prepare the network.
  /// - Throws: `GraphError` where the graph cannot run; `PackageError.hashMismatch` or `.invalidFrame` where constants
  ///   are damaged.
  package func executable(kernels: KernelSet = KernelSet(), threads: Int) throws -> Executable {
    defer { reader.releasePages() }
    return try Executable(graph, kernels: kernels, threads: threads, loading: reader.constantsByNode())
  }

  /// Reads the graph with all of its constants into memory.
  ///
  /// - Parameter threads: the number of threads that decompress the constants.
  /// - Throws: `PackageError.hashMismatch` or `.invalidFrame` where constants are damaged.
  package func loadedGraph(threads: Int) throws(PackageError) -> Graph {
    var result = try reader.readGraph(threads: threads, decodeOperator: OperatorCatalogue.decode)
    for (index, node) in graph.nodes.enumerated() { result.nodes[index].op = node.op }
    return result
  }
}
