import Graphs
import Kernels
import Operators
import ReferenceOperators
import Tensors
import Testing
import Threads

/// What fake quantisation refuses, and what it says of itself.
@Suite struct FakeQuantizationTests {
  private static let good: Attributes = [
    "scale": .float(0.5), "zero_point": .int(128), "minimum": .int(0), "maximum": .int(255),
  ]

  @Test(arguments: [
    ("scale", AttributeValue.float(0)), ("scale", .float(-1)), ("scale", .float(.nan)), ("scale", .float(.infinity)),
    ("scale", .float(1e-40)), ("scale", .float(0.1)), ("scale", .int(1)), ("zero_point", .int(256)),
    ("zero_point", .int(-1)), ("zero_point", .int(.max)), ("minimum", .int(256)), ("minimum", .int(.min)),
    ("maximum", .int(-1)), ("maximum", .int(.max)),
  ])
  func attributesWithoutMeaning(name: String, value: AttributeValue) throws {
    _ = try FakeQuantization(attributes: Self.good)
    var attributes = Self.good
    attributes[name] = value
    #expect(throws: GraphError.self) { try FakeQuantization(attributes: attributes) }
  }

  @Test func damagedChannelScales() throws {
    let op = try FakeQuantization(attributes: Self.good)
    for scales in [[0, 1], [-1, 1], [Float.nan, 1], [.infinity, 1], [.leastNonzeroMagnitude, 1]] {
      #expect(throws: GraphError.self) { try op.channelScales(["channel_scale": Tensor(scales)]) }
    }
    #expect(throws: GraphError.self) { try op.channelScales(["channel_scale": Tensor([1, 2] as [Double])]) }
    #expect(throws: GraphError.self) {
      try op.outputShape(inputs: [[1, 2, 2, 3]], constants: ["channel_scale": Tensor([1, 2] as [Float])])
    }
  }

  @Test func onlyLevelsOfUInt8AreAFormat() throws {
    let narrow = try FakeQuantization(scale: 0.5, zeroPoint: 3, levels: 0...255)
    #expect(narrow.traits(constants: [:]).rounding == QuantizationParameters(scale: 0.5, zeroPoint: 3))
    #expect(narrow.traits(constants: ["channel_scale": Tensor([1] as [Float])]).rounding == nil)
    let wide = try FakeQuantization(scale: 0.5, zeroPoint: 3, levels: 0...65535)
    #expect(wide.traits(constants: [:]).rounding == nil)
  }
}
