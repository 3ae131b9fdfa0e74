import Fidelity
import Graphs
import Operators
import Pixels
import Quantization
import Runtime
import Tensors
import Threads

/// Compares every activation of a quantised network with the float network's, image by image.
///
/// The int8 network runs first, and its activations are stored. Then the float network runs, and each of its
/// activations is compared while it is in cache. The float network also has a copy of each layer with int8 weights,
/// which reads the same float input and has the real values of the int8 weights: the difference between layer and copy
/// is the effect of rounding the weights.
struct LayerMeter {
  private let float: Executable
  private let int8: Executable
  private let layers: [Layer]
  /// The layer of each value of `float` that is a layer's output.
  private let outputs: [ValueID: Int]
  /// The layer of each value of `float` that is the output of a copy with rounded weights.
  private let copies: [ValueID: Int]
  /// The layer of each value of `int8`.
  private let int8Outputs: [ValueID: Int]

  /// How a layer's output is stored in the int8 network.
  private struct Layer {
    var format: ValueFormat
    /// Whether this layer rounds its output to levels; otherwise it is float, or its levels are those of its input.
    var rounds: Bool
    /// Whether `float` has a copy of the layer with rounded weights.
    var hasCopy = false
  }

  /// - Parameters:
  ///   - graph: the float graph.
  ///   - lowered: the int8 graph that it was lowered to.
  ///   - levels: the weight levels that it was lowered with.
  ///   - int8: the executable of the lowered graph.
  /// - Throws: `GraphError` where the float graph, with the copies, cannot be made executable.
  init(_ graph: Graph, _ lowered: LoweredGraph, _ levels: WeightLevels, _ int8: Executable) throws(GraphError) {
    self.int8 = int8
    let producers = int8.graph.producers
    var layers: [Layer] = []
    var graphWithCopies = graph
    graphWithCopies.nodes = []
    var (outputs, copies, int8Outputs) = ([ValueID: Int](), [ValueID: Int](), [ValueID: Int]())
    for (index, node) in graph.nodes.enumerated() {
      graphWithCopies.nodes.append(node)
      outputs[node.output] = index
      var layer = Layer(format: .float32, rounds: false)
      if let producer = producers[node.output] {
        // The producer is the node itself, or the node that quantises its output if it is kept in float.
        int8Outputs[node.output] = index
        layer.format = int8.graph.format(of: node.output)
        layer.rounds = int8.graph.nodes[producer].rounds(in: int8.graph)
      }
      if lowered[node].constants["weight"]?.elementType == .int8, let weights = levels[node] {
        let copy = graphWithCopies.append(
          node.op, name: "\(node.name) with int8 weights", inputs: node.inputs,
          constants: weights.realConstants(node, in: graph))
        copies[copy] = index
        layer.hasCopy = true
      }
      layers.append(layer)
    }
    (self.layers, self.outputs, self.copies, self.int8Outputs) = (layers, outputs, copies, int8Outputs)
    float = try Executable(graphWithCopies)
  }

  /// The pair of sessions of one thread.
  private final class Worker {
    let float: Session
    let int8: Session

    init(_ float: Executable, _ int8: Executable) { (self.float, self.int8) = (Session(float), Session(int8)) }
  }

  /// Runs both networks on the images.
  ///
  /// - Returns: For each node of the float graph, the sums over all images, added in the order of the images.
  /// - Throws: `GraphError` where a network cannot run on an image.
  func measure(_ images: [RGBImage], threads: Int, progress: any ProgressObserver) throws -> [LayerSums] {
    let results = SlotStore<Result<[LayerSums], GraphError>>()
    let workers = WorkerLocal { Worker(float, int8) }
    ThreadTeam(count: min(threads, max(images.count, 1))).forEach(images.count) { index, worker in
      results[index] = Result { () throws(GraphError) in try measure(images[index], workers[worker]) }
      progress.advance()
    }
    var sums = [LayerSums](repeating: LayerSums(), count: layers.count)
    for result in results.inOrder {
      for (index, one) in try result.get().enumerated() { sums[index].add(one) }
    }
    return sums
  }

  private func measure(_ image: RGBImage, _ worker: Worker) throws(GraphError) -> [LayerSums] {
    var stored = [[UInt8]](repeating: [], count: layers.count)
    _ = try worker.int8.run(pixels: image.pixels, height: image.height, width: image.width) { value, _, bytes in
      if let index = int8Outputs[value] { stored[index] = Array(bytes) }
    }
    var sums = [LayerSums](repeating: LayerSums(), count: layers.count)
    var last: [Float] = []
    _ = try worker.float.run(pixels: image.pixels, height: image.height, width: image.width) { value, _, bytes in
      let values = bytes.bindMemory(to: Float.self)
      if let index = outputs[value] {
        let layer = layers[index]
        sums[index].compare(values, stored[index], layer.format)
        stored[index] = []
        if layer.rounds, let parameters = layer.format.quantization {
          sums[index].quantize(values, parameters, withRemainder: !layer.format.isPlainUInt8)
        }
        if layer.hasCopy { last = Array(values) }
      } else if let index = copies[value] {
        sums[index].compareWeights(last, values)
      }
    }
    return sums
  }
}

extension Node {
  /// Whether a node of a quantised graph rounds its output to new levels, instead of passing on those of its input.
  func rounds(in graph: Graph) -> Bool {
    let format = graph.format(of: output)
    guard format.quantization != nil, op.quantizationRule == .calibratedRange else { return false }
    return traits.combination != .concatenation
      || inputs.contains { graph.format(of: $0).quantization != format.quantization }
  }
}
