import Fidelity
import Graphs
import Inference
import Operators
import Pixels
import Quantization
import Runtime
import Tensors
import Threads

/// Measures how far embeddings drift when one part of a float network is quantised and everything else computes in
/// float.
struct IsolatedDrift {
  private let graph: Graph
  private let images: [RGBImage]
  private let threads: Int
  /// The float network's embedding of each image.
  private let expected: [[Float]]

  /// - Parameters:
  ///   - float: the float network.
  ///   - images: the images to measure on, as the network sees them.
  /// - Throws: `GraphError` where the network cannot run on an image.
  init(_ float: Executable, _ images: [RGBImage], threads: Int) throws {
    graph = float.graph
    self.images = images
    self.threads = threads
    expected = try Self.embeddings(float, images, threads: threads)
  }

  /// What is done to a node's output.
  enum Effect {
    /// It is quantised as in the quantised graph.
    case asPlanned
    /// It is only rounded, or only clipped.
    case part(LevelProbe.Part)
  }

  /// The mean drift where only the output of a node is quantised, wholly or in part. Layers that read its remainders
  /// get it unrounded.
  ///
  /// - Parameters:
  ///   - effect: what is done to the output.
  ///   - index: the node's index in the float graph.
  ///   - format: the format of the output in the quantised graph.
  /// - Returns: `nil` if the output is not quantised, or if all layers that read it read its remainders.
  /// - Throws: `GraphError` where the network cannot run.
  func drift(applying effect: Effect, toOutputOf index: Int, _ format: ValueFormat) throws -> Double? {
    var variant = graph
    guard Self.apply(effect, toOutputOf: index, format, in: &variant) else { return nil }
    return try drift(of: variant)
  }

  /// The mean drift where only the outputs of some nodes are quantised. Layers that read their remainders get them
  /// unrounded.
  ///
  /// - Parameter formats: the formats of the outputs by the nodes' indices in the float graph.
  /// - Throws: `GraphError` where the network cannot run.
  func drift(quantizingOutputs formats: [Int: ValueFormat]) throws -> Double {
    var variant = graph
    // From the end, so that the indices of the nodes before stay valid.
    for (index, format) in formats.sorted(by: { $0.key > $1.key }) {
      _ = Self.apply(.asPlanned, toOutputOf: index, format, in: &variant)
    }
    return try drift(of: variant)
  }

  /// Inserts nodes that quantise the output of another one, for the readers that do not read its remainders.
  ///
  /// - Returns: Whether there is anything to quantise.
  private static func apply(
    _ effect: Effect, toOutputOf index: Int, _ format: ValueFormat, in graph: inout Graph
  ) -> Bool {
    guard let parameters = format.quantization else { return false }
    let node = graph.nodes[index]
    let restored = graph.makeValue()
    // Clipping affects readers of remainders, too: remainders do not extend the range.
    var skips = !format.isPlainUInt8
    if case .part(.clipping) = effect { skips = false }
    guard graph.redirect(readersOf: index, to: restored, skippingReadersOfRemainders: skips) else { return false }
    let added: [Node]
    switch effect {
    case .asPlanned:
      let levels = graph.makeValue(format: .uint8(parameters))
      added = [
        Node(name: "\(node.name).quantize", op: Requantize(), inputs: [node.output], output: levels),
        Node(name: "\(node.name).dequantize", op: Requantize(), inputs: [levels], output: restored),
      ]
    case .part(let part):
      added = [
        Node(name: "\(node.name).probe", op: LevelProbe(part, parameters), inputs: [node.output], output: restored)
      ]
    }
    graph.nodes.insert(contentsOf: added, at: index + 1)
    return true
  }

  /// The mean drift where only the constants of some nodes are replaced.
  ///
  /// - Parameter constants: the new constants by the node's index and by role.
  /// - Throws: `GraphError` where the network cannot run with them.
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
  /// Replaces a node's output by another value, in the inputs of later nodes and in the graph's outputs.
  ///
  /// - Parameter skips: whether inputs whose remainders are read are left as they are.
  /// - Returns: Whether anything was replaced.
  fileprivate mutating func redirect(
    readersOf index: Int, to value: ValueID, skippingReadersOfRemainders skips: Bool
  ) -> Bool {
    let output = nodes[index].output
    var isRead = false
    for reader in nodes.indices where reader > index {
      for slot in nodes[reader].inputs.indices where nodes[reader].inputs[slot] == output {
        if skips, nodes[reader].op.readsRemainder(ofInput: slot) { continue }
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
