import Graphs
import Kernels
import Operators
import Synchronization
import Tensors
import Threads

/// Evaluates a graph's nodes one after another, each on all images before the next, so that a node's constants can be chosen
/// by what the nodes before it give. Only maps that are still to be read are in memory.
///
/// Not thread-safe; it spreads the images over threads by itself.
package final class StepwiseRun {
  package let graph: Graph
  private let kernels: KernelSet
  private let team: ThreadTeam
  /// For each value the maps of all images; empty where it is not made yet, or was read for the last time.
  private var maps: [[Map]]
  private let inputShapes: [Shape]
  /// Shapes of all values by the shape of the input.
  private var shapes: [Shape: [Shape?]] = [:]
  private let lastUse: [Int]
  private let alone = ThreadTeam(count: 1)

  /// - Parameters:
  ///   - graph: its constants are not read; `step` takes them.
  ///   - pixels: of each image, HWC, and its shape [1, height, width, 3].
  /// - Throws: `GraphError.inputSize` where the network cannot take an image, or the memory does not suffice.
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

  /// The most bytes of maps that an image takes at the same time, about.
  ///
  /// - Throws: `GraphError.inputSize`.
  package static func byteCount(of graph: Graph, input: Shape) throws(GraphError) -> Int {
    let shapes = try graph.inferShapes(input: input)
    func bytes(_ value: ValueID) -> Int {
      graph.format(of: value).byteCount(elementCount: shapes[value.index]?.elementCount ?? 0)
    }
    let lastUse = graph.lastUses(in: graph.nodes.indices)
    var (live, most) = (bytes(graph.input), 0)
    for (index, node) in graph.nodes.enumerated() {
      live += bytes(node.output)
      most = max(most, live)
      for value in Set(node.inputs + [node.output]) where lastUse[value.index] <= index { live -= bytes(value) }
    }
    return most
  }

  package var imageCount: Int { inputShapes.count }

  /// One value of one image, as `Session.Observer` gets it: float32, or uint8 with its remainders behind it where it has
  /// them. `nil` where it is not in memory.
  package func map(of value: ValueID, image: Int) -> (shape: Shape, bytes: UnsafeRawBufferPointer)? {
    guard maps[value.index].indices.contains(image) else { return nil }
    let map = maps[value.index][image]
    return (map.shape, UnsafeRawBufferPointer(map.bytes))
  }

  /// Evaluates the node at `index`, which must be the next one, and keeps what it read until `release` is called.
  ///
  /// - Parameters:
  ///   - op: what to evaluate in the node's place; it must take the same inputs.
  ///   - constants: of the node.
  /// - Throws: `GraphError.at`.
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

  /// Gives back what no node after `index` reads.
  package func release(after index: Int) {
    let node = graph.nodes[index]
    for value in node.inputs + [node.output] where lastUse[value.index] <= index { maps[value.index] = [] }
  }

  /// Changes a float value of all images in place, an image on a thread.
  package func update(_ value: ValueID, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    precondition(graph.format(of: value) == .float32, "value \(value.index) is not float32")
    let maps = maps[value.index]
    team.forEach(maps.count) { image, _ in
      body(maps[image].bytes.bindMemory(to: Float.self))
    }
  }

  /// A value of an image in memory of its own, laid out as `ActivationLayout` says.
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
