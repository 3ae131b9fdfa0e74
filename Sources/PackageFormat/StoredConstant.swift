import Graphs
import Tensors

/// A constant of a graph, with the space that it takes in a package.
package struct StoredConstant: Hashable, Sendable {
  /// The name of the first node that has the constant.
  package let node: String
  /// The constant's role in that node.
  package let role: String
  /// The number of other constants with the same bytes, which are not stored again.
  package let copies: Int
  /// The type of the elements.
  package let elementType: ElementType
  /// The extents, outermost first.
  package let shape: Shape
  /// The size in bytes without compression.
  package let byteCount: Int
  /// The size in bytes of the section that contains it, as stored.
  package let storedByteCount: Int
}

extension PackageWriter {
  /// The constants that a package of `graph` would store, one for each tensor section, in the order of the file.
  ///
  /// - Parameters:
  ///   - graph: the graph, with its constants in memory.
  ///   - threads: the number of threads that hash and compress constants.
  /// - Throws: nothing at present, although it is declared to throw `PackageError`.
  package static func storedConstants(of graph: Graph, threads: Int = 1) throws(PackageError) -> [StoredConstant] {
    let constants = try UniqueConstants(graph, threads: threads)
    let sections = try constants.sections(threads: threads)
    var users: [[ConstantKey]] = Array(repeating: [], count: sections.count)
    for (key, number) in constants.numbers { users[number].append(key) }
    return sections.indices.compactMap { number in
      guard let first = users[number].min(by: { ($0.node, $0.role) < ($1.node, $1.role) }) else { return nil }
      let tensor = constants.tensors[number]
      return StoredConstant(
        node: graph.nodes[first.node].name, role: first.role, copies: users[number].count - 1,
        elementType: tensor.elementType, shape: tensor.shape, byteCount: sections[number].rawLength,
        storedByteCount: sections[number].storedLength)
    }
  }
}
