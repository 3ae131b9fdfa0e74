import Graphs
import Inference
import Kernels
import Operators
import PackageFormat
import PackageSamples
import Passes
import Pixels
import Random
import ReferenceOperators
import Runtime
import Tensors
import Testing

/// Self-tests of all trunks, of sound machines and of broken ones.
@Suite struct SelfTestTests {
  /// The int8 network of a trunk; with the name "float", a folded float one.
  private static func graph(_ name: String) throws -> Graph {
    let trunk = try #require(TrunkFixture.all.first { $0.name == (name == "float" ? "resnet_d" : name) })
    let folded = try PassPipeline.fold.run(try trunk.graph()).graph
    return name == "float" ? folded : try TrunkTests.quantized(folded, trunk.examples().map(\.image))
  }

  private static func record(_ graph: Graph, _ kernels: KernelSet = KernelSet()) throws -> SelfTestRecord {
    try SelfTestRecord(of: try Executable(graph, kernels: kernels), standardSide: 96)
  }

  /// The bytes of the input and of the output of each node, in order, for all images of a test.
  private static func values(_ graph: Graph, _ record: SelfTestRecord, _ kernels: KernelSet) throws -> [[UInt8]] {
    var result: [[UInt8]] = []
    let session = Session(try Executable(graph, kernels: kernels))
    for image in 0..<record.imageCount {
      var number = 0
      _ = try session.run(
        pixels: record.pixels(ofImage: image), height: record.height, width: record.width
      ) { _, _, bytes in
        if image == 0 { result.append([]) }
        result[number] += Array(bytes)
        number += 1
      }
    }
    return result
  }

  /// The record itself does not depend on kernels, a sound machine passes with all of them, and each value has a check.
  @Test(arguments: TrunkFixture.all)
  func allTiersPass(trunk: TrunkFixture) throws {
    let graph = try Self.graph(trunk.name)
    let record = try Self.record(graph)
    #expect(record.height < 96 && record.width == record.height + 7)
    if graph.nodes.count <= 250 { #expect(Set(record.checks.map(\.value)) == Set(1...graph.nodes.count)) }
    #expect(record.checks.count > 200 || graph.nodes.count <= 250)
    for (tier, kernels) in KernelTiers.runnable {
      #expect(try Self.record(graph, kernels) == record, "\(tier)")
      let result = try record.result(for: try Executable(graph, kernels: kernels), threads: 3)
      #expect(result.passed && result.suspects.isEmpty && result.checkCount == record.checks.count, "\(tier)")
      #expect(result.threadCount == 3 && result.failedThreadCount == 0)
    }
  }

  /// What a record of a graph with few checks, of another implementation, says of a package that is stored and read.
  @Test(arguments: ["senet", "convnext", "float"])
  func recordsAreStored(name: String) throws {
    let graph = try Self.graph(name)
    var record = try Self.record(graph)
    let info = PackageInfo(
      resolutions: [Resolution(try EvaluationProtocol(crop: .square, size: 96), poolingExponent: 1)], classCount: 11,
      embeddingDimension: 8)
    func stored() throws -> PackagedNetwork {
      let reader = try PackageReader(try PackageWriter.encode(Package(graph: graph, info: info, selfTest: record)))
      try reader.checkAll()
      #expect(try reader.selfTest() == record)
      return try PackagedNetwork(reader)
    }
    #expect(try stored().selfTest().passed)
    record.implementation = "another"
    // Nothing but tolerances and what the format specifies is left to compare.
    let implementationHashes = record.checks.count { if case .implementation = $0.expectation { true } else { false } }
    let other = try stored().selfTest()
    #expect(other.passed && other.skippedCount == implementationHashes && other.skippedCount > 0)
    #expect(other.checkCount == record.checks.count - other.skippedCount && other.checkCount > 0)
  }

  /// Without a check of an output that can be made, a test shows nothing.
  @Test(arguments: ["senet", "float"], ["another", SelfTestRecord.ownImplementation])
  func testsThatCompareNoOutputDoNotPass(name: String, implementation: String) throws {
    let graph = try Self.graph(name)
    var record = try Self.record(graph)
    record.implementation = implementation
    let network = try Executable(graph)
    let outputs = Set(graph.outputs.map(\.value))
    func result(_ isKept: (SelfTestRecord.Check) -> Bool) throws -> SelfTestResult {
      var partial = record
      partial.checks = record.checks.filter(isKept)
      try #require(!partial.checks.isEmpty)
      return try partial.result(for: network, threads: 2)
    }
    let ofOutputs = try result { outputs.contains(graph.nodes[$0.value - 1].output) }
    #expect(ofOutputs.passed && ofOutputs.comparesOutputs)
    #expect(throws: Never.self) { try ofOutputs.checkCoverage() }
    let ofOthers = try result { !outputs.contains(graph.nodes[$0.value - 1].output) }
    #expect(!ofOthers.passed && ofOthers.differences.isEmpty && ofOthers.failedThreadCount == 0)
    #expect(throws: SelfTestError.nothingCompared(skippedChecks: ofOthers.skippedCount)) {
      try ofOthers.checkCoverage()
    }
    // A difference is a result, whatever else was compared.
    record.checks[0].expectation = .specified(0)
    let wrong = try result { $0.value == record.checks[0].value }
    #expect(!wrong.passed && !wrong.comparesOutputs)
    #expect(throws: Never.self) { try wrong.checkCoverage() }
  }

  @Test func bitsOfAnotherImplementationAloneShowNothing() throws {
    let graph = try Self.graph("float")
    var record = try Self.record(graph)
    record.checks.removeAll { if case .implementation = $0.expectation { false } else { true } }
    try #require(!record.checks.isEmpty)
    record.implementation = "another"
    let result = try record.result(for: try Executable(graph), threads: 1)
    #expect(!result.passed && result.checkCount == 0)
    #expect(throws: SelfTestError.nothingCompared(skippedChecks: record.checks.count)) { try result.checkCoverage() }
  }

  /// Checks what a test says of a network that computes wrong values, all of which are known.
  ///
  /// - Returns: whether the bits of a value that differs are stated.
  @discardableResult
  private static func expectFound(
    _ result: SelfTestResult, _ record: SelfTestRecord, _ graph: Graph, _ right: [[UInt8]], _ wrong: [[UInt8]],
    _ comment: Comment
  ) throws -> Bool {
    let stated = Set(record.checks.filter { if case .sketch = $0.expectation { false } else { true } }.map(\.value))
    let differing = right.indices.filter { right[$0] != wrong[$0] }
    let found = differing.filter(stated.contains)
    func name(_ value: Int) -> String { graph.nodes[value - 1].name }
    #expect(result.differences.filter(\.isOfBits).map(\.node) == found.map(name), comment)
    guard let first = found.first else { return false }
    #expect(!result.passed && result.failedThreadCount == result.threadCount, comment)
    #expect(result.differences.first?.op == graph.nodes[first - 1].kind, comment)
    // Nothing that is known to be right is a suspect, and what is wrong first is one.
    let suspects = graph.nodes.indices.filter { result.suspects.contains(graph.nodes[$0].name) }.map { $0 + 1 }
    #expect(suspects.last == first && suspects.dropLast().allSatisfy { !stated.contains($0) }, comment)
    #expect(suspects.contains { right[$0] != wrong[$0] }, comment)
    if stated.isSuperset(of: 1...first) { #expect(suspects == [differing[0]], comment) }
    return true
  }

  static let broken = BrokenKernels.families.flatMap { family in family.trunks.map { (family, $0) } }

  /// The layer that is named is the first one whose value differs.
  @Test(arguments: broken.indices, [1, 2, 5])
  func brokenKernelsAreFound(index: Int, step: Int) throws {
    let (family, trunk) = Self.broken[index]
    let graph = try Self.graph(trunk)
    var record = try Self.record(graph)
    // With few checks, several layers are suspects.
    record.checks = record.checks.filter { $0.value % step == 0 }
    let kernels = family.kernels()
    let (right, wrong) = (try Self.values(graph, record, KernelSet()), try Self.values(graph, record, kernels))
    try #require(right != wrong, "\(family) changes nothing in \(trunk)")
    let result = try record.result(for: try Executable(graph, kernels: kernels), threads: 1)
    let isFound = try Self.expectFound(result, record, graph, right, wrong, "\(family), \(trunk)")
    // Where the package leaves bits open, kernels are compared with each other.
    let sound = try record.result(for: try Executable(graph), threads: 1)
    let disagreements = SelfTestDisagreement.among([("a", sound), ("b", result), ("c", sound)])
    let known = Set(result.unstated.map(\.node))
    let names = graph.nodes.indices.filter { right[$0 + 1] != wrong[$0 + 1] }.map { graph.nodes[$0].name }
    #expect(disagreements.map(\.node) == names.filter(known.contains), "\(family), \(trunk)")
    #expect(disagreements.allSatisfy { $0.groups == [["a", "c"], ["b"]] })
    if step == 1 { #expect(isFound || !disagreements.isEmpty, "\(family), \(trunk)") }
  }

  /// One bit of one weight, in layers from the first to the last.
  @Test(arguments: ["senet", "mobilenet_v2", "convnextv2", "nasnet", "mobilenet_v3"], [0.0, 0.4, 0.8, 1.0])
  func aFlippedBitOfAWeightIsFound(trunk: String, position: Double) throws {
    let graph = try Self.graph(trunk)
    let record = try Self.record(graph)
    let layers = graph.nodes.indices.filter { graph.nodes[$0].constants["weight"]?.elementType == .int8 }
    let layer = layers[Int(position * Double(layers.count - 1))]
    let weight = try #require(graph.nodes[layer].constants["weight"])
    let right = try Self.values(graph, record, KernelSet())
    // A weight of a channel that is always zero has no effect.
    for index in 0..<min(50, weight.elementCount) {
      var levels = weight.elements(as: Int8.self)
      levels[index] ^= 0x20
      var damaged = graph
      damaged.nodes[layer].constants["weight"] = Tensor(levels, shape: weight.shape)
      let wrong = try Self.values(damaged, record, KernelSet())
      guard right != wrong else { continue }
      let result = try record.result(for: try Executable(damaged), threads: 2)
      let comment: Comment = "\(trunk), weight \(index)"
      let isStated = try Self.expectFound(result, record, graph, right, wrong, comment)
      // Behind a power, a weight of a channel with a tiny factor changes less than the tolerance.
      guard isStated || !result.passed else { continue }
      #expect(result.suspects.contains(graph.nodes[layer].name), comment)
      return
    }
    Issue.record("no weight of \(graph.nodes[layer].name) has an effect")
  }

  /// Other last bits are within the tolerance; other numbers are not.
  @Test(arguments: ["senet", "densenet", "convnext", "float"])
  func tolerancesAllowForRoundingOnly(name: String) throws {
    let record = try Self.record(try Self.graph(name))
    var sketches = 0
    for check in record.checks {
      guard case .sketch(let sketch) = check.expectation else { continue }
      sketches += 1
      let (norm, projections) = (Double(sketch.norm), sketch.projections.map { Double($0) })
      #expect(sketch.accepts(norm: norm * (1 + 3e-7), projections: projections.map { $0 + 3e-7 * norm }))
      #expect(!sketch.accepts(norm: norm * 1.3, projections: projections))
      for index in projections.indices {
        var other = projections
        other[index] -= 0.3 * norm
        #expect(!sketch.accepts(norm: norm, projections: other))
        other[index] = .nan
        #expect(!sketch.accepts(norm: norm, projections: other))
      }
    }
    #expect(sketches > 0)
  }

  /// A last bit of each product, which another implementation may round otherwise.
  @Test func otherSumsAreTolerated() throws {
    let graph = try Self.graph("float")
    var record = try Self.record(graph)
    let family = try #require(BrokenKernels.families.first { $0.testDescription == "fgemm" })
    let network = try Executable(graph, kernels: family.kernels())
    #expect(try !record.result(for: network, threads: 1).passed)
    record.implementation = "another"
    let result = try record.result(for: network, threads: 1)
    #expect(result.passed && result.checkCount > 10, "\(result.differences)")
  }

  /// The pixels as the specification words them.
  @Test func imagesAreAsSpecified() throws {
    var record = try Self.record(try Self.graph("senet"))
    (record.seed, record.height, record.width) = (0x1234_5678_9ABC_DEF0, 21, 34)
    for image in 0..<3 {
      let pixels = record.pixels(ofImage: image)
      let side = [1, 4, 16][image]
      let columns = (record.width + side - 1) / side
      for (y, x, channel) in [(0, 0, 0), (0, 33, 2), (20, 0, 1), (20, 33, 2), (7, 19, 0), (15, 16, 1)] {
        let byte = 3 * (y / side * columns + x / side) + channel
        let words = Philox.words(
          counter: SIMD4(UInt32(byte / 16), UInt32(image), 0, 0), key: SIMD2(0x9ABC_DEF0, 0x1234_5678))
        let expected = UInt8(truncatingIfNeeded: words[byte / 4 % 4] >> UInt32(8 * (byte % 4)))
        #expect(pixels[3 * (y * record.width + x) + channel] == expected, "\(image): \(y), \(x), \(channel)")
      }
    }
  }
}
