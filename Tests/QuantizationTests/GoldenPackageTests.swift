import Foundation
import Graphs
import Images
import Inference
import Kernels
import Operators
import PackageFormat
import Pixels
import Quantization
import ReferenceOperators
import Runtime
import Tensors
import Testing

/// A package of version 1.0 with all that a quantised network can hold: values with remainders that are added, read and
/// passed on, int16 and float32 weights, conversions, several sizes, another filter, and a self-test. Every later quern
/// reads it, and computes what was computed when it was made. Never make it anew once a version is released.
@Suite struct GoldenPackageTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "fixtures/packages")
  private static let file = folder.appending(path: "version-1.0-quantised.quern")
  private static let expected = folder.appending(path: "version-1.0-quantised.expected.json")

  private struct Expected: Codable, Equatable {
    let contentHash: String
    /// Of each output, the floats for the pixels of seed 1.
    let outputs: [String: [Float]]
  }

  private static func outputs(_ graph: Graph, kernels: KernelSet = KernelSet()) throws -> [String: [Float]] {
    var random = SplitMix64(seed: 1)
    return try LoweringTests.run(graph, LoweringTests.pixels(1, &random), batch: 1, kernels: kernels)
      .mapValues { $0.elements(as: Float.self) }
  }

  /// A random network, with two layers in float and all else read as 16 bits that can be; `nil` for one of too few layers.
  private static func network(seed: Int) throws -> Graph? {
    var random = SplitMix64(seed: UInt64(seed))
    let network = try RandomNetwork(seed: seed, &random)
    let layers = network.float.nodes.filter { $0.hasRoundedWeights && $0.op is Convolution }
    guard layers.count > 3 else { return nil }
    var plan = network.plan
    plan.keepFloat(
      [layers[1].name: .init(.int16Weights), layers[layers.count - 2].name: .init(.float)], in: network.float)
    return try LoweringTests.lower(network.float, network.widening(plan))
  }

  /// Whether a graph has all that packages can hold.
  private static func hasAll(_ graph: Graph) -> Bool {
    let types = Set(graph.nodes.compactMap { $0.constants["weight"]?.elementType })
    let readers = Set(graph.nodes.filter { $0.op.attributes["input_remainder"] != nil }.map(\.kind))
    return types.isSuperset(of: [.int8, .int16, .float32]) && readers.isSuperset(of: ["convolution", "requantize"])
  }

  private static var resolutions: [Resolution] {
    get throws {
      try [(18, 3), (24, 2.5)].map { side, exponent in
        Resolution(
          try EvaluationProtocol(crop: .square, size: side, filter: .bicubic, cropRatio: 0.95),
          poolingExponent: exponent)
      }
    }
  }

  /// Records both files where QUERN_RECORD_FIXTURES is set.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["QUERN_RECORD_FIXTURES"] != nil))
  func isRecorded() throws {
    let graph = try #require(try (0..<200).compactMap(Self.network).first(where: Self.hasAll))
    let info = PackageInfo(resolutions: try Self.resolutions, classCount: 0, embeddingDimension: 8)
    let selfTest = try SelfTestRecord(of: try Executable(graph), standardSide: 18)
    let bytes = try PackageWriter.encode(
      Package(graph: graph, info: info, labels: [], selfTest: selfTest, metadata: "{}"))
    try Data(bytes).write(to: Self.file)
    let reader = try PackageReader.open(path: Self.file.path)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    try encoder.encode(Expected(contentHash: reader.contentHash.hex, outputs: Self.outputs(graph))).write(
      to: Self.expected)
  }

  @Test func isReadAndComputesWhatItDid() throws {
    let expected = try JSONDecoder().decode(Expected.self, from: Data(contentsOf: Self.expected))
    let reader = try PackageReader.open(path: Self.file.path)
    try reader.checkAll()
    #expect((reader.majorVersion, reader.minorVersion) == (1, 0) && reader.contentHash.hex == expected.contentHash)
    #expect(try reader.info.resolutions == Self.resolutions)
    let graph = try reader.readGraph(decodeOperator: OperatorCatalogue.decode)
    #expect(Self.hasAll(graph) && !expected.outputs.isEmpty)
    let network = try PackagedNetwork(reader)
    for (tier, kernels) in KernelTiers.runnable {
      let test = try network.selfTest(kernels: kernels)
      // If floats have other bits than before, `SelfTestRecord.ownImplementation` needs a new number.
      #expect(test.passed, "\(tier): \(test.differences)")
      let outputs = try Self.outputs(graph, kernels: kernels)
      for (name, values) in expected.outputs {
        let actual = try #require(outputs[name])
        #expect(actual.count == values.count)
        // What is computed in float differs in its last bits between tiers.
        for (before, now) in zip(values, actual) {
          #expect(abs(before - now) <= 1e-5 * max(1, abs(before)), "\(tier), \(name): \(now) instead of \(before)")
        }
      }
    }
  }
}
