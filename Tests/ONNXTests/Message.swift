/// ONNX messages as plain bytes, for models of so many parts that copying what was written before them, as `Wire` does
/// with each part, would take most of a test's time.
enum Message {
  static func integer(_ field: Int, _ value: Int) -> [UInt8] {
    Wire.varint(UInt64(field) << 3) + Wire.varint(UInt64(bitPattern: Int64(value)))
  }

  static func bytes(_ field: Int, _ content: [UInt8]) -> [UInt8] {
    Wire.varint(UInt64(field) << 3 | 2) + Wire.varint(UInt64(content.count)) + content
  }

  static func text(_ field: Int, _ content: String) -> [UInt8] { bytes(field, Array(content.utf8)) }

  static func model(graph: [UInt8]) -> [UInt8] {
    integer(1, 8) + bytes(7, graph) + bytes(8, text(1, "") + integer(2, 17))
  }

  static func node(
    _ type: String, _ inputs: [String], _ output: String, _ attributes: [String: Int] = [:]
  ) -> [UInt8] {
    var node = inputs.flatMap { text(1, $0) } + text(2, output) + text(4, type)
    for (name, value) in attributes { node += bytes(5, text(1, name) + integer(3, value) + integer(20, 2)) }
    return node
  }

  static func tensor<Element: BitwiseCopyable>(
    _ name: String, _ dimensions: [Int], type: Int, _ elements: [Element]
  ) -> [UInt8] {
    dimensions.flatMap { integer(1, $0) } + integer(2, type) + text(8, name)
      + bytes(9, elements.withUnsafeBytes { Array($0) })
  }

  /// What a network adds to the two channels of a map "c", as "x".
  static func offsets(_ nodes: [[UInt8]], _ tensors: [[UInt8]]) throws -> [Float] {
    let last = [
      node("GlobalAveragePool", ["x"], "p"), node("Flatten", ["p"], "f"),
      node("Gemm", ["f", "m"], "logits"),
    ]
    var graph: [UInt8] = ([node("Conv", ["input", "w"], "c")] + nodes + last).flatMap { bytes(1, $0) }
    graph += text(2, "toy")
    let weights = [
      tensor("w", [2, 3, 1, 1], type: 1, [1, 2, 3, 4, 5, 6] as [Float]),
      tensor("m", [2, 2], type: 1, [1, 2, 3, 4] as [Float]),
    ]
    graph += (weights + tensors).flatMap { bytes(5, $0) }
    graph += bytes(11, Wire.value("input", [1, 3, 8, 8]).bytes)
    graph += bytes(12, Wire.value("logits", [1, 2]).bytes)
    let scratch = try Scratch()
    let imported = try importGraph(try scratch.write(model(graph: graph)))
    // An offset of zero is no node.
    guard let affine = imported.nodes.first(where: { $0.constants["shift"] != nil }) else { return [0, 0] }
    return affine.constants["shift"]?.elements(as: Float.self) ?? []
  }
}
