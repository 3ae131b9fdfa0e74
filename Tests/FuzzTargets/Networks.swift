import Checkpoints
import Files
import Graphs
import Inference
import ModelExport
import ModelImport
import PackageFormat
import Passes
import Runtime
import Tensors

extension FuzzTarget {
  /// The stages after reading: a network is imported, folded, run once and exported, if that is little work.
  static let networks: [FuzzTarget] = [
    FuzzTarget("import", seeds: ["onnx/*.safetensors", "forms/*.safetensors"], byteLimit: 1 << 14) { input in
      try carryOn(try CheckpointOutline.open(try input.file()))
    },
    FuzzTarget("onnx-import", seeds: ["onnx/kinds/*.onnx", "onnx/tiny-*.onnx"], byteLimit: 1 << 14) { input in
      try carryOn(try CheckpointOutline.open(try input.file(path: "\(Fixtures.path)/onnx/model.onnx")))
    },
    FuzzTarget("package-run", seeds: ["packages/*.quern", "patches/*.quern"], byteLimit: 1 << 14) { input in
      let network = try PackagedNetwork(try PackageReader(storage: input.storage, path: "input"))
      try network.reader.checkAll()
      try run(network.graph, side: network.reader.info.standard.side) { try network.executable(threads: 1) }
      try export(try network.loadedGraph(threads: 1), side: network.reader.info.standard.side)
    },
  ]

  /// The largest image side, and the limits of work on one image: multiply-accumulates and elements of all values.
  private static let (sideLimit, workLimit, elementLimit) = (64, 4 << 20, 1 << 20)

  private static func carryOn(_ outline: CheckpointOutline) throws {
    let imported = try ModelImporter().importNetwork(of: outline).network
    let (graph, _) = try PassPipeline.fold(keeping: imported.fixedNodes).run(imported.graph)
    let side = (1...sideLimit).first { (try? graph.inferShapes(input: [1, $0, $0, 3])) != nil } ?? sideLimit
    try run(graph, side: side) { try Executable(graph) }
    try export(graph, side: side)
  }

  private static func run(_ graph: Graph, side: Int, _ executable: () throws -> Executable) throws {
    guard side <= sideLimit else { return }
    let shape: Shape = [1, side, side, 3]
    var elements = 0
    for shape in try graph.inferShapes(input: shape) {
      guard let count = (shape ?? []).checkedElementCount, count <= elementLimit - elements else { return }
      elements += count
    }
    guard try graph.multiplyAccumulates(input: shape) <= workLimit else { return }
    let pixels = (0..<side * side * 3).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    _ = try Session(try executable()).run(pixels: pixels, height: side, width: side)
  }

  /// Exports a network to ONNX, to a file that keeps nothing.
  private static func export(_ graph: Graph, side: Int) throws {
    guard side <= sideLimit else { return }
    try ONNXExporter.write(graph, side: side, producerVersion: "0", to: "/dev/null")
  }
}
