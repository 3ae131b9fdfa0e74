import Graphs
import Kernels
import Operators
import Synchronization
import Tensors
import Threads

/// Evaluates a graph's nodes one after another, each on all images before the next, so that a node's constants can be
/// chosen after the nodes before it have been evaluated. Only maps that are yet to be read are kept in memory.
///
/// Not thread-safe; it spreads the images over threads by itself.
package final class StepwiseRun {
  /// The graph that is evaluated.
  package let graph: Graph
  private let kernels: KernelSet
  private let team: ThreadTeam
  /// For each value, the maps of all images; empty before it is computed, and after it has been read for the last time.
  private var maps: [[Map]]
  private let inputShapes: [Shape]
  /// The shapes of all values by the shape of the input.
  private var shapes: [Shape: [Shape?]] = [:]
  private let lastUse: [Int]
  private let alone = ThreadTeam(count: 1)

  /// - Parameters:
  ///   - graph: The graph to evaluate. Its constants are not read: `step` takes them.
  ///   - images: The shape of each image, [1, H, W, 3], and its pixels, HWC.
  ///   - threads: The number of threads that the images are spread over.
  /// - Throws: `GraphError.inputSize` (inside `.at` where it comes from an operator) where the network cannot take an
  ///   image, or the memory does not suffice.
  package init(_ graph: Graph, images: [(shape: Shape, pixels: [UInt8])], threads: Int) throws(GraphError) {
    self.graph = graph
    kernels = KernelSet()
    team = ThreadTeam(count: threads)
    inputShapes = images.map(\.shape)
    maps = [[Map]](repeating: [], count: graph.valueCount)
    lastUse = graph.lastUses(in: graph.nodes.indices)
    for shape in inputShapes where shapes[shape] == nil { shapes[shape] = try graph.inferShapes(input: shape) }
    let format = graph.format(of: graph.input)
    for image in images {
      let map = try Map(image.shape, format)
      image.pixels.withUnsafeBufferPointer { pixels in
        if format == .float32 {
          graph.preprocessing.normalize(
            pixels, into: map.bytes.bindMemory(to: Float.self))
        } else {
          map.bytes.copyMemory(from: UnsafeRawBufferPointer(pixels))
        }
      }
      maps[graph.input.index].append(map)
    }
  }

  /// About the largest number of bytes of maps that one image keeps in memory at the same time.
  ///
  /// - Throws: `GraphError.at`, with the node whose operator cannot take its inputs.
  package static func byteCount(of graph: Graph, input: Shape) throws(GraphError) -> Int {
    let shapes = try graph.inferShapes(input: input)
    func bytes(_ value: ValueID) -> Int {
      graph.format(of: value).byteCount(elementCount: shapes[value.index]?.elementCount ?? 0)
    }
    let lastUse = graph.lastUses(in: graph.nodes.indices)
    var (live, peak) = (bytes(graph.input), 0)
    for (index, node) in graph.nodes.enumerated() {
      live += bytes(node.output)
      peak = max(peak, live)
      for value in Set(node.inputs + [node.output]) where lastUse[value.index] <= index { live -= bytes(value) }
    }
    return peak
  }

  /// The number of images.
  package var imageCount: Int { inputShapes.count }

  /// One value of one image in the form that `Session.Observer` gets: float32, or uint8 followed by its remainders
  /// where it has them. `nil` where it is not in memory.
  package func map(of value: ValueID, image: Int) -> (shape: Shape, bytes: UnsafeRawBufferPointer)? {
    guard maps[value.index].indices.contains(image) else { return nil }
    let map = maps[value.index][image]
    return (map.shape, UnsafeRawBufferPointer(map.bytes))
  }

  /// Evaluates the node at `index`, which must be the next one. Its inputs are kept until `release` is called.
  ///
  /// - Parameters:
  ///   - op: An operator to evaluate instead of the node's. It must take the same inputs.
  ///   - constants: The node's constants.
  /// - Throws: `GraphError.at`, with the node, where it cannot run or the memory does not suffice; `.inputSize` where
  ///   an image is too large for its operator.
  package func step(_ index: Int, op: (any Operator)? = nil, constants: [String: Tensor]) throws(GraphError) {
    var node = graph.nodes[index]
    if let op { node.op = op }
    let prepared = try Executable.prepare(node, in: graph, kernels, constants)
    var planned: [Shape: any PlannedOperator] = [:]
    for shape in inputShapes where planned[shape] == nil {
      guard let shapes = shapes[shape], let output = shapes[node.output.index] else { continue }
      planned[shape] = try prepared.plan(
        inputs: node.inputs.compactMap { shapes[$0.index] }, output: output, context: PlanningContext(workers: 1))
    }
    let plans = planned
    let format = graph.format(of: node.output)
    let results = team.map(imageCount) { image in
      Result { () throws(GraphError) -> Map in
        guard let plan = plans[inputShapes[image]], let shape = shapes[inputShapes[image]]?[node.output.index] else {
          throw .structure("has no shape")
        }
        let output = try Map(shape, format)
        let scratch = try AlignedBlock(byteCount: plan.scratchByteCount, for: "scratch")
        let inputs = node.inputs.compactMap { UnsafeRawPointer(maps[$0.index][image].bytes.baseAddress) }
        guard let address = output.bytes.baseAddress, let memory = scratch.memory.baseAddress else { return output }
        plan.run(OperatorBuffers(inputs: inputs, output: address, scratch: memory), team: alone)
        return output
      }
    }
    var outputs: [Map] = []
    for result in results {
      do throws(GraphError) {
        outputs.append(try result.get())
      } catch {
        throw .at(node: node.name, error)
      }
    }
    maps[node.output.index] = outputs
  }

  /// Frees the maps that no node after `index` reads.
  package func release(after index: Int) {
    let node = graph.nodes[index]
    for value in node.inputs + [node.output] where lastUse[value.index] <= index { maps[value.index] = [] }
  }

  /// Changes a float32 value of all images in place.
  ///
  /// - Parameter body: Called once for each image, from several threads, with the elements of the value.
  package func update(_ value: ValueID, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    precondition(graph.format(of: value) == .float32, "value \(value.index) is not float32")
    let maps = maps[value.index]
    team.forEach(maps.count) { image, _ in
      body(maps[image].bytes.bindMemory(to: Float.self))
    }
  }

  /// A value of one image in its own block of memory, laid out by `ActivationLayout`.
  private final class Map: @unchecked Sendable {
    let shape: Shape
    let bytes: UnsafeMutableRawBufferPointer
    private let block: AlignedBlock

    init(_ shape: Shape, _ format: ValueFormat) throws(GraphError) {
      let margin = ActivationLayout.marginByteCount(shape: shape, format: format)
      block = try AlignedBlock(
        byteCount: ActivationLayout.blockByteCount(shape: shape, format: format), for: "a map of \(shape)")
      self.shape = shape
      bytes = UnsafeMutableRawBufferPointer(
        rebasing: block.memory.dropFirst(margin).prefix(format.byteCount(elementCount: shape.elementCount)))
      if let address = bytes.baseAddress {
        ActivationLayout.writeMargin(before: address, shape: shape, format: format)
      }
    }
  }
}
