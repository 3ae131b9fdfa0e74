import Checkpoints
import Graphs
import Runtime
import Tensors
import Testing

/// The pixels, the levels and the logits of a fixture.
struct Golden {
  struct Map {
    let format: QuantizationParameters
    /// As ONNX Runtime computes them operator by operator.
    let levels: [UInt8]
    /// As it computes them with its optimisations.
    let optimized: [UInt8]
  }

  let maps: [Map]
  let logits: [Float]
  let optimizedLogits: [Float]
  private let pixels: Tensor

  static func path(_ file: String) -> String {
    let root = "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(root)/fixtures/onnx/quantized/\(file)"
  }

  init(_ name: String) throws {
    let file = try Checkpoint.read(path: Self.path("\(name).golden.safetensors"))
    func tensor(_ name: String) -> Tensor? { file.tensors.first { $0.name == name }?.tensor }
    pixels = try #require(tensor("pixels"))
    logits = try #require(tensor("logits")).elements(as: Float.self)
    optimizedLogits = try #require(tensor("optimised.logits")).elements(as: Float.self)
    maps = (0..<100).compactMap { index in
      guard let levels = tensor("levels.\(index)"), let optimized = tensor("optimised.\(index)"),
        let scale = tensor("scale.\(index)"), let zero = tensor("zero_point.\(index)")
      else { return nil }
      return Map(
        format: QuantizationParameters(
          scale: scale.elements(as: Float.self)[0], zeroPoint: zero.elements(as: UInt8.self)[0]),
        levels: levels.elements(as: UInt8.self), optimized: optimized.elements(as: UInt8.self))
    }
  }

  /// The uint8 maps and the outputs of a network for the pixels.
  func run(_ graph: Graph) throws -> (maps: [Map], outputs: [String: [Float]]) {
    let all = pixels.elements(as: UInt8.self)
    let (images, size) = (pixels.shape[0], all.count / pixels.shape[0])
    let shape: Shape = [1, pixels.shape[1], pixels.shape[2], 3]
    let run = try StepwiseRun(
      graph, images: (0..<images).map { (shape, Array(all[$0 * size..<($0 + 1) * size])) }, threads: 1)
    var maps: [Map] = []
    var outputs: [String: [Float]] = [:]
    for (index, node) in graph.nodes.enumerated() {
      try run.step(index, constants: node.constants)
      let bytes = (0..<images).flatMap { run.map(of: node.output, image: $0)?.bytes.map { $0 } ?? [] }
      if let format = graph.format(of: node.output).quantization {
        maps.append(Map(format: format, levels: bytes, optimized: bytes))
      }
      for output in graph.outputs where output.value == node.output {
        outputs[output.name] = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      }
    }
    return (maps, outputs)
  }
}
