import Fidelity
import Graphs
import Images
import Inference
import Operators
import Quantization
import Runtime
import Tensors
import Threads

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

  /// What is done to a node's output.
  enum Holding {
    /// It is held as the quantised graph holds it.
    case asPlanned
    /// Only one half of that.
    case part(LevelProbe.Part)
  }

  /// Mean drift where only the output of a node is held as a quantised graph holds it, or half so. Readers that take its
  /// remainders read it unrounded; `nil` where all do.
  func drift(holding: Holding, outputOf index: Int, _ quantized: Graph) throws -> Double? {
    let node = graph.nodes[index]
    guard let parameters = quantized.format(of: node.output).quantization else { return nil }
    var variant = graph
    let restored = variant.makeValue()
    // What is beyond the range is lost to remainders, too.
    var spares = !quantized.format(of: node.output).isPlainUInt8
    if case .part(.clipping) = holding { spares = false }
    guard variant.redirect(readersOf: index, to: restored, sparingReadersOfRemainders: spares) else { return nil }
    let added: [Node]
    switch holding {
    case .asPlanned:
      let levels = variant.makeValue(format: .uint8(parameters))
      added = [
        Node(name: "\(node.name).quantize", op: Requantize(), inputs: [node.output], output: levels),
        Node(name: "\(node.name).dequantize", op: Requantize(), inputs: [levels], output: restored),
      ]
    case .part(let part):
      added = [
        Node(name: "\(node.name).probe", op: LevelProbe(part, parameters), inputs: [node.output], output: restored)
      ]
    }
    variant.nodes.insert(contentsOf: added, at: index + 1)
    return try drift(of: variant)
  }

  /// Mean drift where only some nodes, by their indices, have other constants.
  func drift(replacingConstants constants: [Int: [String: Tensor]]) throws -> Double {
    var variant = graph
    for (index, replacement) in constants { variant.nodes[index].constants = replacement }
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

extension Graph {
  /// Has what reads the output of a node, or is it, read another value. Returns whether anything does.
  fileprivate mutating func redirect(
    readersOf index: Int, to value: ValueID, sparingReadersOfRemainders spares: Bool
  ) -> Bool {
    let output = nodes[index].output
    var isRead = false
    for reader in nodes.indices where reader > index {
      for slot in nodes[reader].inputs.indices where nodes[reader].inputs[slot] == output {
        if spares, nodes[reader].op.readsRemainder(ofInput: slot) { continue }
        nodes[reader].inputs[slot] = value
        isRead = true
      }
    }
    for position in outputs.indices where outputs[position].value == output {
      outputs[position].value = value
      isRead = true
    }
    return isRead
  }
}
