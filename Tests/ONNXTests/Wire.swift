/// Writes ONNX messages byte by byte, as no exporter would.
struct Wire {
  private(set) var bytes: [UInt8] = []

  static func varint(_ value: UInt64) -> [UInt8] {
    var (rest, bytes) = (value, [UInt8]())
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  func int(_ field: UInt64, _ value: Int) -> Wire {
    var result = self
    result.bytes += Self.varint(field << 3) + Self.varint(UInt64(bitPattern: Int64(value)))
    return result
  }

  func bytes(_ field: UInt64, _ content: [UInt8]) -> Wire {
    var result = self
    result.bytes += Self.varint(field << 3 | 2) + Self.varint(UInt64(content.count)) + content
    return result
  }

  func text(_ field: UInt64, _ content: String) -> Wire { bytes(field, Array(content.utf8)) }
  func message(_ field: UInt64, _ content: Wire) -> Wire { bytes(field, content.bytes) }

  func raw(_ content: [UInt8]) -> Wire {
    var result = self
    result.bytes += content
    return result
  }

  // MARK: ONNX

  static func model(_ graph: Wire, opset: Int = 17, producer: String = "test") -> [UInt8] {
    Wire().int(1, 8).text(2, producer).message(7, graph).message(8, Wire().text(1, "").int(2, opset)).bytes
  }

  static func node(
    _ type: String, _ inputs: [String], _ outputs: [String], domain: String = "", attributes: [Wire] = []
  ) -> Wire {
    var node = Wire()
    for input in inputs { node = node.text(1, input) }
    for output in outputs { node = node.text(2, output) }
    node = node.text(3, "\(type)-\(outputs.first ?? "")").text(4, type)
    for attribute in attributes { node = node.message(5, attribute) }
    return domain.isEmpty ? node : node.text(7, domain)
  }

  static func ints(_ name: String, _ values: [Int]) -> Wire {
    values.reduce(Wire().text(1, name)) { $0.int(8, $1) }.int(20, 7)
  }

  static func int(_ name: String, _ value: Int) -> Wire { Wire().text(1, name).int(3, value).int(20, 2) }

  static func floats(_ name: String, _ dimensions: [Int], _ values: [Float]) -> Wire {
    tensor(name, dimensions, type: 1, raw: values.flatMap { withUnsafeBytes(of: $0, Array.init) })
  }

  static func integers(_ name: String, _ values: [Int]) -> Wire {
    tensor(name, [values.count], type: 7, raw: values.flatMap { withUnsafeBytes(of: Int64($0), Array.init) })
  }

  static func tensor(_ name: String, _ dimensions: [Int], type: Int, raw: [UInt8]) -> Wire {
    dimensions.reduce(Wire()) { $0.int(1, $1) }.int(2, type).text(8, name).bytes(9, raw)
  }

  static func external(_ name: String, _ dimensions: [Int], _ entries: [(String, String)]) -> Wire {
    let head = dimensions.reduce(Wire()) { $0.int(1, $1) }.int(2, 1).text(8, name)
    return entries.reduce(head) { $0.message(13, Wire().text(1, $1.0).text(2, $1.1)) }.int(14, 1)
  }

  static func value(_ name: String, _ dimensions: [Int], type: Int = 1) -> Wire {
    let shape = dimensions.reduce(Wire()) { $0.message(1, $1 < 0 ? Wire().text(2, "d") : Wire().int(1, $1)) }
    return Wire().text(1, name).message(2, Wire().message(1, Wire().int(1, type).message(2, shape)))
  }

  /// A 1x1 convolution with a mean and a linear layer around it: the smallest classifier.
  static func classifier(
    weight: Wire = floats("w", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]), matrix: Wire = floats("m", [2, 2], [1, 2, 3, 4]),
    middle: [Wire] = [node("Identity", ["c"], ["x"])], input: Wire = value("input", [-1, 3, 8, 8])
  ) -> Wire {
    var graph = Wire().message(1, node("Conv", ["input", "w"], ["c"]))
    for node in middle { graph = graph.message(1, node) }
    return graph.message(1, node("GlobalAveragePool", ["x"], ["p"])).message(1, node("Flatten", ["p"], ["f"]))
      .message(1, node("Gemm", ["f", "m"], ["logits"])).text(2, "toy").message(5, weight).message(5, matrix)
      .message(11, input).message(12, value("logits", [-1, 2]))
  }
}
