import Checkpoints
import Graphs
import ModelImport
import Operators
import Testing

/// QuantizeLinear and DequantizeLinear: what is read of them, and what is refused.
@Suite struct QuantizedModelTests {
  /// The scales and zero points around a rounding, and the weights' quantisation, of a small classifier.
  fileprivate struct Model: Sendable {
    var scale: [Float] = [0.5]
    var zeroPoint: [UInt8] = [3]
    /// The element type of the zero point: 2 uint8, 3 int8, 4 uint16, 6 int32.
    var type = 2
    var readScale: Float?
    var weightScale: [Float] = [0.25, 0.5]
    var weightZeroPoint: [UInt8] = [0, 0]
    var weightAxis = 0
    var attributes: [Wire] = []
    /// The operators between QuantizeLinear and DequantizeLinear, which pass on the levels "q" as "k".
    var between = [Wire.node("Identity", ["q"], ["k"])]
    /// The operators before the DequantizeLinear of the weights, which pass on the levels "l" as "n".
    var beforeWeights = [Wire.node("Identity", ["l"], ["n"])]
    /// The bounds "low" and "high" of a Clip of levels, as uint8 or int8.
    var bounds: [UInt8] = [0, 0]
    var boundType = 2
    var producer = "test"

    var bytes: [UInt8] {
      let zero = Wire.tensor("z", zeroPoint.count == 1 ? [] : [zeroPoint.count], type: type, raw: zeroPoint)
      let rounding =
        [Wire.node("QuantizeLinear", ["c", "s", "z"], ["q"], attributes: attributes)] + between + [
          Wire.node("DequantizeLinear", ["k", readScale == nil ? "s" : "t", "z"], ["x"], attributes: attributes)
        ] + beforeWeights + [
          Wire.node("DequantizeLinear", ["n", "ws", "wz"], ["w"], attributes: [Wire.int("axis", weightAxis)])
        ]
      let graph = Wire.classifier(
        weight: Wire.tensor("l", [2, 3, 1, 1], type: 3, raw: [1, 2, 3, 4, 128, 127]), middle: rounding
      )
      .message(5, Wire.floats("s", scale.count == 1 ? [] : [scale.count], scale)).message(5, zero)
      .message(5, Wire.floats("t", [], [readScale ?? 1]))
      .message(5, Wire.floats("ws", [weightScale.count], weightScale))
      .message(5, Wire.tensor("wz", [weightZeroPoint.count], type: 3, raw: weightZeroPoint))
      .message(5, Wire.tensor("low", [], type: boundType, raw: [bounds[0]]))
      .message(5, Wire.tensor("high", [], type: boundType, raw: [bounds[1]]))
      return Wire.model(graph, producer: producer)
    }
  }

  fileprivate func imported(_ model: Model) throws -> ImportedNetwork {
    let scratch = try Scratch()
    let checkpoint = try Checkpoint.read(path: try scratch.write(model.bytes))
    return try ModelImporter().importNetwork(try #require(checkpoint.network))
  }

  @Test func theFileStatesLevels() throws {
    let network = try imported(Model())
    let rounding = try #require(network.graph.nodes.first { $0.op is FakeQuantization }?.op as? FakeQuantization)
    #expect(rounding.scale == 0.5 && rounding.zeroPoint == 3 && rounding.levels == 0...255)
    let convolution = try #require(network.graph.nodes.first { $0.op is Convolution })
    #expect(network.quantization?.weights[convolution.id]?.scales == [0.25, 0.5])
    #expect(convolution.constants["weight"]?.contiguous().elements(as: Float.self) == [0.25, 0.5, 0.75, 2, -64, 63.5])
  }

  @Test func signedLevelsAreMoved() throws {
    let network = try imported(Model(zeroPoint: [UInt8(bitPattern: -5)], type: 3))
    let rounding = try #require(network.graph.nodes.first { $0.op is FakeQuantization }?.op as? FakeQuantization)
    #expect(rounding.zeroPoint == 123 && rounding.levels == 0...255)
  }

  @Test func aScaleForEachChannelIsKept() throws {
    let network = try imported(Model(scale: [0.5, 0.25], zeroPoint: [3, 3]))
    let node = try #require(network.graph.nodes.first { $0.op is FakeQuantization })
    #expect(node.constants["channel_scale"]?.elements(as: Float.self) == [0.5, 0.25])
  }

  /// TorchScript casts the levels of quantised modules to the type that they have.
  @Test func aCastToTheSameTypeKeepsLevels() throws {
    let network = try imported(Model(between: [Wire.node("Cast", ["q"], ["k"], attributes: [Wire.int("to", 2)])]))
    let rounding = try #require(network.graph.nodes.first { $0.op is FakeQuantization }?.op as? FakeQuantization)
    #expect(rounding.zeroPoint == 3 && rounding.levels == 0...255)
  }

  /// Brevitas clips the levels of activations of fewer than 8 bits. Values are clipped to the same bounds beforehand.
  @Test func clippedLevelsAreBounds() throws {
    let clip = Wire.node("Clip", ["q", "low", "high"], ["k"])
    let network = try imported(Model(between: [clip], bounds: [0, 15]))
    let upper = try #require(network.graph.nodes.first { $0.op is Clip }?.op as? Clip)
    #expect(upper.minimum == -.infinity && upper.maximum == 6)
    let signed = Model(
      zeroPoint: [0], type: 3, between: [clip], bounds: [UInt8(bitPattern: -8), 7], boundType: 3)
    let bounds = try #require(try imported(signed).graph.nodes.first { $0.op is Clip }?.op as? Clip)
    #expect(bounds.minimum == -4 && bounds.maximum == 3.5)
    let all = try imported(Model(between: [clip], bounds: [0, 255]))
    #expect(!all.graph.nodes.contains { $0.op is Clip })
  }

  @Test func clippedWeightsStayLevels() throws {
    let network = try imported(
      Model(
        beforeWeights: [Wire.node("Clip", ["l", "low", "high"], ["n"])], bounds: [UInt8(bitPattern: -127), 126],
        boundType: 3))
    let convolution = try #require(network.graph.nodes.first { $0.op is Convolution })
    #expect(network.quantization?.weights[convolution.id]?.scales == [0.25, 0.5])
    #expect(convolution.constants["weight"]?.contiguous().elements(as: Float.self) == [0.25, 0.5, 0.75, 2, -63.5, 63])
  }

  @Test func anExportOfQuernIsRefusedWithAdvice() throws {
    #expect { try imported(Model(producer: "quern")) } throws: {
      "\($0)".contains("use the package, or convert the checkpoint")
    }
  }

  @Test(arguments: [
    (
      "a cast of levels to another type",
      Model(between: [Wire.node("Cast", ["q"], ["k"], attributes: [Wire.int("to", 3)])])
    ),
    ("bounds without zero", Model(between: [Wire.node("Clip", ["q", "low", "high"], ["k"])], bounds: [4, 9])),
    ("crossed bounds", Model(between: [Wire.node("Clip", ["q", "low", "high"], ["k"])], bounds: [9, 1])),
    (
      "clipped levels with scales of channels",
      Model(
        scale: [0.5, 0.25], zeroPoint: [3, 3], between: [Wire.node("Clip", ["q", "low", "high"], ["k"])],
        bounds: [0, 15])
    ),
    (
      "crossed bounds of weights",
      Model(beforeWeights: [Wire.node("Clip", ["l", "low", "high"], ["n"])], bounds: [9, 1])
    ),
    (
      "bounds of weights beyond their type",
      Model(beforeWeights: [Wire.node("Clip", ["l", "low", "high"], ["n"])], bounds: [0, 200])
    ),
    ("scale 0", Model(scale: [0])), ("a negative scale", Model(scale: [-1])), ("scale NaN", Model(scale: [.nan])),
    ("an infinite scale", Model(scale: [.infinity])), ("a tiny scale", Model(scale: [.leastNonzeroMagnitude])),
    ("other scales for reading", Model(readScale: 0.25)), ("levels of int32", Model(zeroPoint: [0, 0, 0, 0], type: 6)),
    ("too many scales", Model(scale: [1, 2, 3], zeroPoint: [0, 0, 0])),
    ("other numbers of scales and zero points", Model(scale: [1, 2], zeroPoint: [0, 0, 0])),
    ("zero points of channels", Model(scale: [1, 2], zeroPoint: [0, 1])),
    ("blocks", Model(attributes: [Wire.int("block_size", 2)])),
    ("a weight scale of 0", Model(weightScale: [0, 1])), ("a weight scale NaN", Model(weightScale: [1, .nan])),
    ("weight scales of another length", Model(weightScale: [1, 2, 3], weightZeroPoint: [0, 0, 0])),
    ("other weight zero points", Model(weightZeroPoint: [0, 0, 0])), ("an axis beyond the rank", Model(weightAxis: 4)),
    ("a negative axis beyond the rank", Model(weightAxis: -5)),
  ])
  fileprivate func damaged(_ name: String, model: Model) throws {
    #expect(throws: (any Error).self, "\(name)") { try imported(model) }
  }

  @Test(arguments: ["ort-residual.onnx", "nncf-joined.onnx", "ort-gated-16-bits.onnx"], [1, 2])
  func damagedBytesNeverTrap(_ file: String, seed: UInt64) throws {
    var copies = DamagedCopies(try Fixtures.bytes("quantized/\(file)"), seed: seed)
    var refused = 0
    for _ in 0..<100 {
      do {
        let scratch = try Scratch()
        _ = try importGraph(try scratch.write(copies.next()))
      } catch is CheckpointError {
        refused += 1
      } catch is ImportError {
        refused += 1
      }
    }
    #expect(refused > 5, "seed \(seed)")
  }
}
