import Fidelity
import Graphs
import Images
import Operators
import Quantization
import Runtime
import Tensors
import Threads

/// Holds every activation of a quantised network against the float network's, image by image.
///
/// The int8 network runs first, and what it holds is kept; then the float network runs, and each of its values is compared
/// while it is in cache. Beside each layer with int8 weights the float network has a second one whose weights are what the
/// int8 weights stand for, reading the same float input: the difference of the two is what rounding the weights does.
struct LayerMeter {
  private let float: Executable
  private let int8: Executable
  private let layers: [Layer]
  /// The layer of each value of `float` that is a layer's output, and of each that is a second layer's.
  private let outputs: [ValueID: Int]
  private let seconds: [ValueID: Int]
  /// The layer of each value of `int8`.
  private let held: [ValueID: Int]

  /// How a layer's output is held.
  private struct Layer {
    var format: ValueFormat
    /// Whether this layer rounds its output to levels; otherwise it is float, or its levels are those of its input.
    var rounds: Bool
    var hasSecond = false
  }

  /// - Parameters:
  ///   - graph: the float graph.
  ///   - lowered: what was made of it.
  ///   - levels: its weights.
  ///   - int8: of the lowered graph.
  init(_ graph: Graph, _ lowered: LoweredGraph, _ levels: WeightLevels, _ int8: Executable) throws(GraphError) {
    self.int8 = int8
    let producers = int8.graph.producers
    var layers: [Layer] = []
    var doubled = graph
    doubled.nodes = []
    var (outputs, seconds, held) = ([ValueID: Int](), [ValueID: Int](), [ValueID: Int]())
    for (index, node) in graph.nodes.enumerated() {
      doubled.nodes.append(node)
      outputs[node.output] = index
      var layer = Layer(format: .float32, rounds: false)
      if let producer = producers[node.output] {
        // The node itself, or what rounds the output of one that is kept in float.
        held[node.output] = index
        layer.format = int8.graph.format(of: node.output)
        layer.rounds = int8.graph.nodes[producer].rounds(in: int8.graph)
      }
      if lowered[node].constants["weight"]?.elementType == .int8, let weights = levels[node] {
        let second = doubled.append(
          node.op, name: "\(node.name) with int8 weights", inputs: node.inputs,
          constants: weights.realConstants(node, in: graph))
        seconds[second] = index
        layer.hasSecond = true
      }
      layers.append(layer)
    }
    (self.layers, self.outputs, self.seconds, self.held) = (layers, outputs, seconds, held)
    float = try Executable(doubled)
  }

  /// A pair of sessions of one thread.
  private final class Worker {
    let float: Session
    let int8: Session

    init(_ float: Executable, _ int8: Executable) { (self.float, self.int8) = (Session(float), Session(int8)) }
  }

  /// - Returns: for each node of the float graph the sums over all images, added in their order.
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
    var kept = [[UInt8]](repeating: [], count: layers.count)
    _ = try worker.int8.run(pixels: image.pixels, height: image.height, width: image.width) { value, _, bytes in
      if let index = held[value] { kept[index] = Array(bytes) }
    }
    var sums = [LayerSums](repeating: LayerSums(), count: layers.count)
    var last: [Float] = []
    _ = try worker.float.run(pixels: image.pixels, height: image.height, width: image.width) { value, _, bytes in
      let values = bytes.bindMemory(to: Float.self)
      if let index = outputs[value] {
        let layer = layers[index]
        sums[index].compare(values, kept[index], layer.format)
        kept[index] = []
        if layer.rounds, let parameters = layer.format.quantization {
          sums[index].quantize(values, parameters, withRemainder: !layer.format.isPlainUInt8)
        }
        if layer.hasSecond { last = Array(values) }
      } else if let index = seconds[value] {
        sums[index].compareWeights(last, values)
      }
    }
    return sums
  }
}

extension Node {
  /// Whether a node of a quantised graph rounds its output to levels of its own, rather than hand on those of its input.
  func rounds(in graph: Graph) -> Bool {
    let format = graph.format(of: output)
    guard format.quantization != nil, op.quantizationRule == .ownRange else { return false }
    return traits.combination != .sideBySide
      || inputs.contains { graph.format(of: $0).quantization != format.quantization }
  }
}
