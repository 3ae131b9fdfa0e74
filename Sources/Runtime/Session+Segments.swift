import Graphs
import Kernels
import Tensors

/// What one image's evaluation has made by a node and later nodes read: all that it takes to go on from there.
package struct HeldValues: Sendable {
  /// Of the input.
  package let shape: Shape
  /// The node before which evaluation stands.
  package let position: Int
  /// All planes of each value.
  fileprivate let values: [ValueID: [UInt8]]

  package var byteCount: Int { values.values.reduce(0) { $0 + $1.count } }
}

extension HeldValues {
  /// An image before the first node.
  ///
  /// - Parameter input: the bytes of HWC pixels, or of floats where the graph takes those.
  package init(input: [UInt8], height: Int, width: Int, of graph: Graph) {
    let count = graph.format(of: graph.input).byteCount(elementCount: height * width * 3)
    precondition(input.count == count, "\(input.count) bytes of input for \(height) x \(width)")
    (shape, position, values) = ([1, height, width, 3], 0, [graph.input: input])
  }

  /// The bytes that the image's values will take when evaluation stands before a node of the graph.
  package func byteCount(in graph: Graph, before index: Int) throws(GraphError) -> Int {
    let shapes = try graph.inferShapes(input: shape)
    return graph.valuesAlive(before: index).reduce(0) {
      $0 + graph.format(of: $1).byteCount(elementCount: shapes[$1.index]?.elementCount ?? 0)
    }
  }
}

extension Session {
  /// Evaluates the segment of the graph that is ready, going on from what its beginning has made. The segments of a graph
  /// give, one after another, what the whole does.
  ///
  /// - Parameter observer: called with the values that the segment reads, and after every node.
  /// - Returns: what it takes to go on behind the segment.
  /// - Throws: `GraphError.structure` where `held` stands elsewhere; the errors of `run`.
  package func resume(_ held: HeldValues, observer: Observer? = nil) throws(GraphError) -> HeldValues {
    let graph = executable.graph
    guard held.position == executable.nodes.lowerBound else {
      throw .structure("values held before node \(held.position) cannot go on at node \(executable.nodes.lowerBound)")
    }
    let plan = try plan(for: held.shape, workers: team.count)
    try arenas[0].reserve(plan.memory.byteCount, for: held.shape)
    guard let memory = ValueMemory(plan, arenas[0], graph) else { return held }
    for (value, bytes) in held.values where plan.memory.offsets[value.index] != nil {
      let target = memory.bytes(of: value)
      guard target.count == bytes.count, let shape = plan.shapes[value.index] else {
        throw .structure("held values are those of another graph")
      }
      memory.writeMargin(of: value)
      target.copyBytes(from: bytes)
      observer?(value, shape, UnsafeRawBufferPointer(target))
    }
    evaluateNodes(plan, memory, team, observer)
    var values: [ValueID: [UInt8]] = [:]
    for value in graph.valuesAlive(before: executable.nodes.upperBound) {
      values[value] = held.values[value] ?? Array(memory.bytes(of: value))
    }
    return HeldValues(shape: held.shape, position: executable.nodes.upperBound, values: values)
  }
}
