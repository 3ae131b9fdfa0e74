import Checkpoints
import Graphs
import ModelImport
import Passes
import Runtime
import Tensors
import Testing

/// What scripts/fixtures/make_onnx_fixtures.py wrote.
enum Fixtures {
  static let folder: String = {
    let root = "\(#filePath)".split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(root)/fixtures/onnx"
  }()

  static func path(_ name: String) -> String { "\(folder)/\(name)" }

  static func bytes(_ name: String) throws -> [UInt8] {
    try Scratch.read(path(name))
  }
}

/// Copies of a file with a few random bytes replaced, which a seed determines.
struct DamagedCopies {
  private let original: [UInt8]
  private var state: UInt64

  init(_ original: [UInt8], seed: UInt64) { (self.original, state) = (original, seed) }

  private mutating func random(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }

  mutating func next() -> [UInt8] {
    var bytes = original
    for _ in 0...random(3) { bytes[random(bytes.count)] = UInt8(random(256)) }
    return bytes
  }
}

/// The graph of a checkpoint of any format.
func importGraph(_ path: String, _ importer: ModelImporter = ModelImporter()) throws -> Graph {
  let checkpoint = try Checkpoint.read(path: path)
  if let network = checkpoint.network { return try importer.importGraph(network) }
  return try importer.importGraph(StateDictionary(checkpoint.tensors.map { ($0.name, $0.tensor) }))
}

/// The outputs of a folded graph for a batch in NCHW.
func run(_ graph: Graph, _ input: Tensor) throws -> [String: [Float]] {
  let folded = try PassPipeline.fold.run(graph).graph
  let outputs = try Session(try Executable(folded)).run(normalized: input.permuted([0, 2, 3, 1]).contiguous())
  return outputs.mapValues { $0.elements(as: Float.self) }
}

func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
  a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
}

/// One line a node: operator, attributes, where the inputs come from, shapes of the constants. No names.
func structure(_ graph: Graph) -> [String] {
  let producers = graph.producers
  func place(_ value: ValueID) -> String { producers[value].map { "\($0)" } ?? "input" }
  let nodes = graph.nodes.map { node in
    let constants = node.constants.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.shape)" }
    return "\(node.kind) \(node.op.attributeSummary) \(node.inputs.map(place)) \(constants)"
  }
  return nodes + graph.outputs.map { "\($0.name) \(place($0.value))" }
}
