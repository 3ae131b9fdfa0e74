import Graphs
import Kernels
import Tensors

/// The state of one image's evaluation before a node: the values that are computed and read by later nodes. It is all
/// that is needed to continue from there.
package struct HeldValues: Sendable {
  /// The shape of the input, [1, H, W, 3].
  package let shape: Shape
  /// The index of the next node to evaluate.
  package let position: Int
  /// All planes of each value.
  fileprivate let values: [ValueID: [UInt8]]

  /// The number of bytes of all values.
  package var byteCount: Int { values.values.reduce(0) { $0 + $1.count } }
}

extension HeldValues {
  /// The state of an image before the first node.
  ///
  /// - Parameter input: The bytes of HWC pixels, or of normalised float32 values where the graph takes those.
  package init(input: [UInt8], height: Int, width: Int, of graph: Graph) {
    let count = graph.format(of: graph.input).byteCount(elementCount: height * width * 3)
    precondition(input.count == count, "\(input.count) bytes of input for \(height) x \(width)")
    (shape, position, values) = ([1, height, width, 3], 0, [graph.input: input])
  }

  /// The number of bytes that the image's values take when evaluation has reached a node of the graph.
  ///
  /// - Parameter index: The index of the node.
  /// - Throws: `GraphError.at`, with the node whose operator cannot take its inputs.
  package func byteCount(in graph: Graph, before index: Int) throws(GraphError) -> Int {
    let shapes = try graph.inferShapes(input: shape)
    return graph.liveValues(before: index).reduce(0) {
      $0 + graph.format(of: $1).byteCount(elementCount: shapes[$1.index]?.elementCount ?? 0)
    }
  }
}

extension Session {
  /// Evaluates the prepared segment of the graph, starting from the values that earlier segments have computed.
  /// Evaluating the segments of a graph one after another gives the same bits as evaluating the whole graph.
  ///
  /// - Parameter observer: Called with the values that the segment reads, and after every node.
  /// - Returns: The state after the segment.
  /// - Throws: `GraphError.structure` where `held` is not the state before the segment; `.inputSize` (inside `.at`
  ///   where it comes from an operator) where the network cannot take the image, or the memory does not suffice.
  package func resume(_ held: HeldValues, observer: Observer? = nil) throws(GraphError) -> HeldValues {
    let graph = executable.graph
    guard held.position == executable.nodes.lowerBound else {
      throw .structure("values before node \(held.position) cannot be resumed at node \(executable.nodes.lowerBound)")
    }
    let evaluation = try arenas[0].evaluation(
      of: try plan(for: held.shape, workers: team.count), executable, team: team)
    for (id, bytes) in held.values {
      guard let value = evaluation.value(id) else { continue }
      let target = value.bytes
      guard target.count == bytes.count else { throw .structure("the values to resume from belong to another graph") }
      value.writeMargin()
      target.copyBytes(from: bytes)
      observer?(id, value.shape, UnsafeRawBufferPointer(target))
    }
    evaluation.runSteps(observer)
    var values: [ValueID: [UInt8]] = [:]
    for id in graph.liveValues(before: executable.nodes.upperBound) {
      values[id] = held.values[id] ?? evaluation.value(id).map { Array($0.bytes) }
    }
    return HeldValues(shape: held.shape, position: executable.nodes.upperBound, values: values)
  }
}
