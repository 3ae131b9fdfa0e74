import Checkpoints
import Tensors
import Testing

/// Protobuf, written by hand.
private enum Wire {
  static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func field(_ number: UInt64, _ payload: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(UInt64(payload.count)) + payload
  }

  static func extent(_ value: Int) -> [UInt8] { [0x08] + varint(UInt64(bitPattern: Int64(value))) }

  static func text(_ number: UInt64, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

  static func tensor(_ dims: [Int], type: String = "Float32", _ data: [UInt8]) -> [UInt8] {
    dims.flatMap(extent) + text(2, type) + field(3, data)
  }

  static func value(_ name: String, _ tensor: [UInt8]) -> [UInt8] { field(1, text(1, name) + field(2, tensor)) }
}

private let four: [UInt8] = [0, 0, 0x80, 0x3F]  // 1
private let eight: [UInt8] = four + [0, 0, 0, 0x40]  // 1 and 2
private let good = Wire.tensor([2], eight)
/// The largest integer of 64 bits, and one more than that.
private let largest = [UInt8](repeating: 0xFF, count: 9) + [0x01]
private let tooLarge = [UInt8](repeating: 0xFF, count: 9) + [0x02]

@Suite struct MindSporeFramingTests {
  typealias Accepted = (bytes: [UInt8], dimensions: [Int])

  static let accepted: [Accepted] = [
    (Wire.value("w", good), [2]),
    (Wire.value("w", Wire.field(1, [2, 1]) + Wire.tensor([], eight)), [2, 1]),
    (Wire.value("w", Wire.extent(1) + Wire.field(1, [2]) + Wire.tensor([1], eight)), [1, 2, 1]),
    (Wire.value("w", Wire.field(3, eight) + Wire.text(2, "Float32") + Wire.extent(2)), [2]),
    (Wire.value("w", Wire.field(1, [0x82, 0x80, 0x00]) + Wire.tensor([], eight)), [2]),
    (Wire.value("pool.p", Wire.tensor([0], type: "Float64", eight)), []),
    (Wire.value("w", Wire.tensor([0], [])), [0]),
    (Wire.value("w", Wire.tensor([3, 0, 2], [])), [3, 0, 2]),
    (
      Wire.value("w", Wire.tensor([2], Array(eight[..<3]))) + Wire.value("w", Wire.tensor([2], []))
        + Wire.value("w", Wire.tensor([2], Array(eight[3...]))), [2]
    ),
    (Wire.value("w", good) + Wire.value("pool.p", Wire.tensor([], four)), [2]),
  ]

  @Test(arguments: accepted.indices) func validFrames(index: Int) throws {
    let (bytes, dimensions) = Self.accepted[index]
    let checkpoint = try TemporaryFile(bytes).read()
    #expect(checkpoint.format == .mindspore)
    let tensor = try #require(checkpoint["w"] ?? checkpoint["pool.p"])
    #expect(tensor.shape.dimensions == dimensions)
    if tensor.elementCount == 2 { #expect(tensor.elements(as: Float.self) == [1, 2]) }
  }

  typealias Refused = (bytes: [UInt8], words: String)

  /// All behind a whole tensor `v`, whose Value has 28 bytes.
  static let lyingTensors: [Refused] = [
    (Wire.value("w", Wire.tensor([3], eight)), "tensor w at byte 33: 3 of float32 does not take 8 bytes"),
    (Wire.value("w", Wire.tensor([], eight)), "does not take 8 bytes"),
    (Wire.value("w", Wire.tensor([0, 2], eight)), "does not take 8 bytes"),
    (Wire.value("w", Wire.tensor([0], eight)), "does not take 8 bytes"),
    (Wire.value("w", Wire.tensor([-2], eight)), "negative extent"),
    (Wire.value("w", Wire.tensor([1 << 62, 4], eight)), "impossible"),
    (Wire.value("w", Wire.tensor([1 << 61], [])), "impossible"),
    (Wire.value("w", Wire.tensor([0, .max, 9], [])), "impossible"),
    (Wire.value("w", Wire.tensor([Int](repeating: 1, count: 17), four)), "more than 16"),
    (Wire.value("w", Wire.field(1, [UInt8](repeating: 1, count: 1 << 16)) + Wire.tensor([], four)), "more than 16"),
    (Wire.value("w", Wire.field(1, [0x80]) + Wire.tensor([], eight)), "dims at byte"),
    (Wire.value("w", Wire.field(1, largest) + Wire.tensor([], eight)), "negative extent"),
    (Wire.value("w", Wire.field(1, tooLarge) + Wire.tensor([], eight)), "more than 64 bits"),
    (Wire.value("w", Wire.tensor([2], type: "Complex64", eight)), "type Complex64 of tensor w at byte 33"),
    (Wire.value("w", Wire.tensor([2], type: "Int4", eight)), "type Int4"),
    (Wire.value("w", good) + Wire.value("v", good), "tensor v at byte 61: this name appears twice"),
    (Wire.value("w", good) + Wire.value("w", good), "does not take 16 bytes"),
    (Wire.value("w", Wire.tensor([2], four)) + Wire.value("w", Wire.tensor([1], four)), "differ in type or dims"),
    (
      Wire.value("w", Wire.tensor([2], four)) + Wire.value("w", Wire.tensor([2], type: "Int32", four)),
      "differ in type or dims"
    ),
    (
      Wire.value("b.gamma", good) + Wire.value("b.moving_mean", good) + Wire.value("b.weight", good),
      "tensor b.weight: its name in PyTorch, b.weight, is also that of another tensor"
    ),
  ]

  static let brokenFrames: [Refused] = [
    (Wire.value("w", Wire.extent(2) + Wire.field(3, eight)), "needs tensor_type"),
    (Wire.value("w", Wire.extent(2) + Wire.text(2, "Float32")), "tensor_content"),
    (Wire.value("w", good + Wire.field(3, eight)), "TensorProto has no field 3 of wire type 2 here, or only one"),
    (Wire.value("w", good + Wire.field(4, eight)), "TensorProto has no field 4"),
    (Wire.value("w", [0x0D, 2, 0, 0, 0] + good), "no field 1 of wire type 5"),
    (Wire.value("w", good + [0x23, 0x24]), "is not valid"),
    (Wire.value("", good), "it has no name"),
    (Wire.field(1, Wire.field(2, good)), "it has no name"),
    (Wire.field(1, Wire.text(1, "w")), "Value w at byte 28: it has no tensor"),
    (Wire.field(1, Wire.text(1, "w") + Wire.field(3, [])), "MapTensor w"),
    (Wire.field(1, Wire.text(1, "w") + Wire.field(2, good) + Wire.field(3, [])), "Value has no field 3"),
    (Wire.field(1, Wire.text(1, "w") + Wire.field(2, good) + Wire.field(2, good)), "Value has no field 2"),
    (Wire.field(1, Wire.text(1, "w") + Wire.text(1, "x") + Wire.field(2, good)), "Value has no field 1"),
    (Wire.field(1, Wire.field(1, [0xC3, 0x28]) + Wire.field(2, good)), "not UTF-8"),
    (Wire.value(String(repeating: "w", count: 1025), good), "1025 bytes"),
    (Wire.field(2, good), "Checkpoint has no field 2"),
    ([0x08, 0x01], "Checkpoint has no field 1 of wire type 0"),
    ([0x0A] + largest, "more bytes than any file holds"),
    ([0x0A] + Wire.varint(1 << 40), "takes 1099511627776 bytes, and 0 are left"),
    ([0x0A] + tooLarge, "more than 64 bits"),
    (Wire.value("w", Wire.text(2, "Float32") + [0x1A] + largest + eight), "more bytes than any file holds"),
  ]

  @Test(arguments: (lyingTensors + brokenFrames).indices) func unfitFramesAreNamed(index: Int) {
    let (bytes, words) = (Self.lyingTensors + Self.brokenFrames)[index]
    let message = refusal(of: Wire.value("v", good) + bytes)
    #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
  }

  @Test func messagesInMessagesAreNoTensor() {
    var nested: [UInt8] = []
    for _ in 0..<10_000 { nested = Wire.field(1, nested) }
    #expect(refusal(of: nested)?.contains("no known format") == true)
    #expect(refusal(of: Wire.value("v", good) + nested)?.contains("1024") == true)
    #expect(refusal(of: Wire.value("v", nested)) != nil)
  }

  /// Two tensors whose names Unicode considers equal are not parts of one.
  @Test func partsHaveTheSameName() {
    let two = Wire.value("\u{E9}.w", Wire.tensor([2], four)) + Wire.value("e\u{301}.w", Wire.tensor([2], four))
    #expect(refusal(of: two)?.contains("does not take 4 bytes") == true)
    let whole = Wire.value("\u{E9}.w", good) + Wire.value("e\u{301}.w", good)
    #expect(refusal(of: whole)?.contains("appears twice") == true)
  }

  @Test func filesWithoutWeightsAreRefused() {
    let text = Wire.value("note", Wire.tensor([0], type: "str", eight))
    #expect(refusal(of: text)?.contains("no tensors") == true)
    let step = Wire.value("global_step", Wire.tensor([1], type: "Int32", four))
    #expect(refusal(of: step)?.contains("only training state") == true)
  }
}
