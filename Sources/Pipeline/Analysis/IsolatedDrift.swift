import Fidelity
import Graphs
import Images
import Kernels
import Operators
import Quantization
import Runtime

/// How far embeddings drift when all of a network computes in float but one thing.
struct IsolatedDrift {
  private let graph: Graph
  private let images: [RGBImage]
  private let threads: Int
  private let expected: [[Float]]

  init(_ float: Executable, _ images: [RGBImage], threads: Int) throws {
    graph = float.graph
    self.images = images
    self.threads = threads
    expected = try Self.embeddings(float, images, threads: threads)
  }

  /// Mean drift where only the output of a node is held as a quantised graph holds it. Readers that take its remainders
  /// read it unrounded; `nil` where all do.
  func drift(quantizingOutputOf index: Int, _ quantized: Graph) throws -> Double? {
    let node = graph.nodes[index]
    guard let other = quantized.nodes.first(where: { $0.name == node.name }),
      let parameters = quantized.format(of: other.output).quantization
    else { return nil }
    let keepsRemainder = !quantized.format(of: other.output).isPlainUInt8
    var variant = graph
    let levels = variant.makeValue(format: .uint8(parameters))
    let restored = variant.makeValue()
    var isRead = false
    for reader in variant.nodes.indices where reader > index {
      for slot in variant.nodes[reader].inputs.indices where variant.nodes[reader].inputs[slot] == node.output {
        if keepsRemainder, variant.nodes[reader].op.readsRemainder(ofInput: slot) { continue }
        variant.nodes[reader].inputs[slot] = restored
        isRead = true
      }
    }
    for output in variant.outputs.indices where variant.outputs[output].value == node.output {
      variant.outputs[output].value = restored
      isRead = true
    }
    guard isRead else { return nil }
    variant.nodes.insert(
      contentsOf: [
        Node(name: "\(node.name).quantize", op: Requantize(), inputs: [node.output], output: levels),
        Node(name: "\(node.name).dequantize", op: Requantize(), inputs: [levels], output: restored),
      ], at: index + 1)
    return try drift(of: variant)
  }

  /// Mean drift where only the weights of a node are those that a quantised graph's stand for.
  func drift(quantizingWeightsOf index: Int, _ quantized: Graph) throws -> Double? {
    guard let other = quantized.nodes.first(where: { $0.name == graph.nodes[index].name }),
      let constants = try other.dequantizedConstants(in: quantized)
    else { return nil }
    var variant = graph
    variant.nodes[index].constants = constants
    return try drift(of: variant)
  }

  private func drift(of variant: Graph) throws -> Double {
    let actual = try Self.embeddings(try Executable(variant, threads: threads), images, threads: threads)
    let drifts = zip(expected, actual).map { Fidelity.drift(from: $0, to: $1) }
    return drifts.reduce(0, +) / Double(max(drifts.count, 1))
  }

  private static func embeddings(_ executable: Executable, _ images: [RGBImage], threads: Int) throws -> [[Float]] {
    let results = SlotStore<Result<[Float], GraphError>>()
    let sessions = WorkerLocal { Session(executable) }
    ThreadTeam(count: min(threads, max(images.count, 1))).forEach(images.count) { index, worker in
      results[index] = Result { () throws(GraphError) in try sessions[worker].outputs(for: images[index]).embedding }
    }
    return try results.inOrder.map { try $0.get() }
  }
}
