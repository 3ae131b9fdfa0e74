import Checkpoints
import Graphs
import ModelImport
import Operators
import Passes
import Quantization
import Runtime
import Tensors
import Testing

/// Models that other tools quantised (scripts/fixtures/make_quantized_fixtures.py), with the levels that ONNX Runtime
/// computes.
@Suite struct GoldenLevelTests {
  struct Fixture: Sendable, CustomTestStringConvertible {
    let name: String
    /// The largest number of levels, of all maps, that differ from ONNX Runtime's: those within float rounding of the
    /// middle between two levels, and what follows from them.
    var differing = 0
    /// The number of layers with weights that compute in float.
    var floatLayers = 0
    var testDescription: String { name }
  }

  static let fixtures = [
    Fixture(name: "ort-residual"), Fixture(name: "ort-residual-int8"), Fixture(name: "ort-residual-tensor"),
    Fixture(name: "ort-residual-uint8-weights", floatLayers: 4), Fixture(name: "ort-joined"),
    Fixture(name: "ort-gated"), Fixture(name: "ort-gated-16-bits", floatLayers: 2), Fixture(name: "nncf-residual"),
    Fixture(name: "nncf-joined", differing: 24), Fixture(name: "nncf-gated", floatLayers: 2),
    Fixture(name: "torchao-residual", differing: 2), Fixture(name: "torchao-training", differing: 3),
    Fixture(name: "fx-residual"), Fixture(name: "brevitas-8-bits"), Fixture(name: "brevitas-4-bits"),
  ]

  /// The lowered network of a fixture.
  static func quantized(_ name: String) throws -> (plan: StoredPlan, float: Graph, int8: Graph) {
    let model = try #require(try Checkpoint.read(path: Golden.path("\(name).onnx")).network)
    let network = try ModelImporter().importNetwork(model)
    let stored = try #require(network.quantization)
    let float = try PassPipeline.fold(keeping: network.fixedNodes).run(network.graph).graph
    let plan = try StoredQuantizationPlanner.plan(float, stored)
    let int8 = try Lowering.lower(plan.graph, plan: plan.plan, levels: plan.levels).graph
    return (plan, float, int8)
  }

  @Test(arguments: fixtures) func theLevelsAreThoseOfONNXRuntime(fixture: Fixture) throws {
    let golden = try Golden(fixture.name)
    let (_, _, int8) = try Self.quantized(fixture.name)
    let values = try golden.run(int8)
    var differing = 0
    for map in golden.maps {
      let same = values.maps.filter { $0.format == map.format && $0.levels.count == map.levels.count }
      let counts = same.map { value in
        min(
          zip(value.levels, map.levels).count { $0 != $1 }, zip(value.levels, map.optimized).count { $0 != $1 })
      }
      differing += try #require(counts.min(), "no map has the format of \(map.format)")
    }
    #expect(differing <= fixture.differing)
    let logits = try #require(values.outputs[GraphOutput.logits])
    let step = logits.reduce(0) { max($0, abs($1)) } / 100
    #expect(
      zip(logits, golden.logits).allSatisfy { abs($0 - $1) <= step }
        || zip(logits, golden.optimizedLogits).allSatisfy { abs($0 - $1) <= step })
  }

  /// The float graph rounds activations as the file defines it, so that it is a reference for the package.
  @Test(arguments: fixtures) func theFloatNetworkRoundsAsTheFileSays(fixture: Fixture) throws {
    let golden = try Golden(fixture.name)
    let (_, float, _) = try Self.quantized(fixture.name)
    let logits = try #require(try golden.run(float).outputs[GraphOutput.logits])
    let step = logits.reduce(0) { max($0, abs($1)) } / 100
    #expect(zip(logits, golden.logits).allSatisfy { abs($0 - $1) <= step })
  }

  @Test(arguments: fixtures) func layersKeepTheirWeights(fixture: Fixture) throws {
    let (plan, float, int8) = try Self.quantized(fixture.name)
    #expect(plan.plan.layersKeptFloat(in: plan.graph).count == fixture.floatLayers)
    for node in float.nodes where node.hasRoundedWeights {
      guard let layer = int8.nodes.first(where: { $0.id == node.id }), let levels = layer.constants["weight"],
        levels.elementType != .float32, let scales = layer.constants["weight_scale"]?.elements(as: Float.self),
        let real = node.constants["weight"]?.contiguous().elements(as: Float.self)
      else { continue }
      let length = levels.elementCount / scales.count
      let isInt8 = levels.elementType == .int8
      #expect(isInt8 || plan.plan.keepsFloat(node))
      let steps =
        isInt8 ? levels.elements(as: Int8.self).map { Int($0) } : levels.elements(as: Int16.self).map { Int($0) }
      let ratios = steps.enumerated().map { index, level in
        (level, real[index] - Float(level) * scales[index / length])
      }
      // Depthwise convolutions take the scales of their input's channels.
      guard
        plan.graph.nodes.first(where: { $0.id == node.id })?.constants["weight"]?.contiguous()
          .elements(as: Float.self) == real
      else { continue }
      #expect(ratios.allSatisfy { abs($0.1) <= 1e-6 * scales.reduce(0, max) })
    }
  }
}
