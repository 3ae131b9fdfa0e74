import Glibc
import Graphs
import Kernels
import Operators
import ReferenceOperators
import Runtime
import Synchronization
import Tensors
import Testing
import Threads

extension Session {
  /// Runs on float values.
  func run(_ values: [Float], shape: Shape, observer: Observer? = nil) throws -> [String: [Float]] {
    try run(normalized: Tensor(values, shape: shape), observer: observer).mapValues { $0.elements(as: Float.self) }
  }
}

@Suite struct SessionTests {
  /// How far float32 may be from double precision after a few layers of these graphs.
  private static let tolerance = 1e-4

  @Test(arguments: 0..<40)
  func everyValueIsRight(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let graph = RandomGraph.make(seed: UInt64(seed))
    let shape: Shape = [random.int(1...2), random.int(16...21), random.int(16...21), 3]
    let input = random.floats(shape.elementCount)
    let expected = try graph.referenceValues(input: input.map { Double($0) }, shape: shape)
    let session = Session(try Executable(graph), team: ThreadTeam(count: 1 + seed % 3))

    var seen: [ValueID] = []
    let outputs = try session.run(
      shape: shape,
      observer: { value, shape, bytes in
        seen.append(value)
        guard let reference = expected[value] else { return }
        #expect(shape == reference.shape)
        let values = Array(bytes.bindMemory(to: Float.self))
        #expect(Self.difference(values, reference.values) < Self.tolerance, "value \(value.index)")
      },
      fillInput: { image, target in
        input.withUnsafeBytes {
          target.copyMemory(
            from: UnsafeRawBufferPointer(rebasing: $0[image * target.count..<(image + 1) * target.count]))
        }
      })
    #expect(seen == [graph.input] + graph.nodes.map(\.output))
    #expect(outputs.keys.sorted() == graph.outputs.map(\.name).sorted())
    for output in graph.outputs {
      let (tensor, reference) = (try #require(outputs[output.name]), try #require(expected[output.value]))
      #expect(tensor.shape == reference.shape)
      #expect(Self.difference(tensor.elements(as: Float.self), reference.values) < Self.tolerance)
    }
  }

  /// The largest difference, relative to the largest value.
  private static func difference(_ values: [Float], _ reference: [Double]) -> Double {
    guard values.count == reference.count else { return .infinity }
    let scale = max(reference.map { abs($0) }.max() ?? 0, 1e-3)
    return zip(values, reference).map { abs(Double($0) - $1) / scale }.max() ?? 0
  }

  /// One session over many shapes, more than plans are kept for, gives what new sessions give.
  @Test func sessionsAreReusedOverChangingShapes() throws {
    let graph = RandomGraph.make(seed: 77)
    let executable = try Executable(graph)
    let session = Session(executable, team: ThreadTeam(count: 2))
    var random = SplitMix64(seed: 5)
    let shapes: [Shape] = (0..<12).map { [1 + $0 % 3, 16 + 3 * $0 % 13, 30 - $0, 3] }
    var largest = 0
    for step in 0..<40 {
      let shape = step < 12 ? shapes[step] : random.pick(shapes)
      let input = random.floats(shape.elementCount)
      let fresh = Session(executable)
      let (outputs, expected) = (try session.run(input, shape: shape), try fresh.run(input, shape: shape))
      #expect(outputs == expected)
      largest = max(largest, fresh.arenaByteCount)
    }
    // Twice the scratch of two threads at the most; not the sum of all plans.
    #expect(session.arenaByteCount <= 3 * largest)
  }

  /// Images of a batch that threads share out, those left over included, give what they give alone, and what the batch
  /// gives as a whole, as it is evaluated for an observer.
  @Test(arguments: 1...7)
  func imagesOfABatchGiveWhatTheyGiveAlone(batch: Int) throws {
    for seed in 0..<4 as Range<UInt64> {
      let executable = try Executable(RandomGraph.make(seed: seed))
      var random = SplitMix64(seed: seed << 8 + UInt64(batch))
      let image: Shape = [1, 19, 17, 3]
      let input = random.floats(batch * image.elementCount)
      let single = Session(executable)
      let alone = try (0..<batch).map {
        try single.run(Array(input[$0 * image.elementCount..<($0 + 1) * image.elementCount]), shape: image)
      }
      for threads in 1...3 {
        let session = Session(executable, team: ThreadTeam(count: threads))
        let together = try session.run(input, shape: [batch, 19, 17, 3])
        let whole = try session.run(input, shape: [batch, 19, 17, 3], observer: { _, _, _ in })
        #expect(together == whole, "seed \(seed), \(threads) threads")
        for (name, values) in together {
          #expect(values == alone.flatMap { $0[name] ?? [] }, "seed \(seed), \(threads) threads, \(name)")
        }
      }
    }
  }

  @Test func threadsAndKernelsChangeNoBit() throws {
    for seed in 0..<10 {
      let graph = RandomGraph.make(seed: UInt64(seed))
      var random = SplitMix64(seed: 9)
      let shape: Shape = [2, 19, 18, 3]
      let input = random.floats(shape.elementCount)
      var first: [String: [Float]]?
      for (tier, kernels) in KernelTiers.runnable {
        let executable = try Executable(graph, kernels: kernels)
        for count in 1...3 {
          let outputs = try Session(executable, team: ThreadTeam(count: count)).run(input, shape: shape)
          #expect(outputs == first ?? outputs, "seed \(seed), \(tier), \(count) threads")
          first = outputs
        }
      }
    }
  }

  /// A batch gives what its images give alone: exactly in int8 operators, closely in float products.
  @Test func imagesOfABatchAreIndependent() throws {
    let graph = RandomGraph.make(seed: 3)
    let session = Session(try Executable(graph))
    var random = SplitMix64(seed: 1)
    let image = 16 * 16 * 3
    let input = random.floats(3 * image)
    let all = try session.run(input, shape: [3, 16, 16, 3])
    for index in 0..<3 {
      let alone = try session.run(Array(input[index * image..<(index + 1) * image]), shape: [1, 16, 16, 3])
      for (name, values) in alone {
        let part = try #require(all[name])[index * values.count..<(index + 1) * values.count]
        #expect(Self.difference(Array(part), values.map { Double($0) }) < 1e-5)
      }
    }
  }

  @Test func pixelsAreNormalised() throws {
    var graph = Graph(architecture: "pixels", preprocessing: .imageNet)
    let value = graph.append(Requantize(), name: "copy", inputs: [graph.input])
    graph.outputs = [GraphOutput(name: "output", value: value)]
    let session = Session(try Executable(graph))
    #expect(!session.executable.takesPixels)
    let pixels = (0..<768).map { (value: Int) -> UInt8 in UInt8(value % 256) }
    let outputs = try pixels.withUnsafeBufferPointer { try session.run(pixels: $0, batch: 2, height: 16, width: 8) }
    let output = try #require(outputs["output"])
    #expect(output.shape == [2, 16, 8, 3])
    let (mean, std) = (graph.preprocessing.mean, graph.preprocessing.std)
    let expected = pixels.enumerated().map { (index: Int, pixel: UInt8) -> Float in
      (Float(pixel) / 255 - mean[index % 3]) / std[index % 3]
    }
    #expect(output.elements(as: Float.self) == expected)
  }

  @Test func pixelGraphsTakePixelsAndUInt8OutputsAreDequantised() throws {
    let format = ValueFormat.uint8(QuantizationParameters(scale: 1, zeroPoint: 0))
    var graph = Graph(architecture: "pixels", preprocessing: .imageNet, inputFormat: format)
    let half = ValueFormat.uint8(QuantizationParameters(scale: 2, zeroPoint: 10))
    let value = graph.append(Requantize(), name: "halve", inputs: [graph.input], format: half)
    graph.outputs = [GraphOutput(name: "output", value: value), GraphOutput(name: "input", value: graph.input)]
    let session = Session(try Executable(graph))
    #expect(session.executable.takesPixels)
    let pixels: [UInt8] = [0, 2, 7, 100, 101, 255]
    let outputs = try pixels.withUnsafeBufferPointer { try session.run(pixels: $0, height: 1, width: 2) }
    // Ties to even: 7 / 2 = 3.5 becomes 4, 101 / 2 = 50.5 becomes 50, 255 / 2 = 127.5 becomes 128.
    #expect(outputs["output"]?.elements(as: Float.self) == [0, 2, 8, 100, 100, 256])
    #expect(outputs["input"]?.elements(as: Float.self) == [0, 2, 7, 100, 101, 255])
    #expect(throws: GraphError.self) {
      try session.run(normalized: Tensor([Float](repeating: 0, count: 6), shape: [1, 1, 2, 3]))
    }
  }

  @Test func unfitInputsGiveTypedErrors() throws {
    let session = Session(try Executable(RandomGraph.make(seed: 1)))
    for shape: Shape in [[0, 16, 16, 3], [1, 16, 16, 4], [16, 16, 3], [], [1, -1, 16, 3], [.max, .max, 2, 3]] {
      #expect(throws: GraphError.self, "\(shape)") { try session.run(shape: shape) { _, _ in } }
    }
    let doubles = Tensor([Double](repeating: 0, count: 16 * 16 * 3), shape: [1, 16, 16, 3])
    #expect(throws: GraphError.self) { try session.run(normalized: doubles) }
    // And the session still works.
    #expect(try !session.run([Float](repeating: 1, count: 768), shape: [1, 16, 16, 3]).isEmpty)
  }

  /// Whether the system lends memory without any bound.
  private static var overcommits: Bool {
    guard let file = fopen("/proc/sys/vm/overcommit_memory", "r") else { return false }
    defer { fclose(file) }
    return fgetc(file) == Int32(UInt8(ascii: "1"))
  }

  @Test(.enabled(if: !overcommits)) func moreMemoryThanThereIsGivesATypedError() throws {
    // Each value is within its limit, all together take 10 TB.
    var graph = Graph(architecture: "large", preprocessing: .imageNet)
    var values = [graph.input]
    for index in 0..<3_000 { values.append(graph.append(ReLU(), name: "\(index)", inputs: [graph.input])) }
    graph.outputs = values.enumerated().map { GraphOutput(name: "\($0)", value: $1) }
    let session = Session(try Executable(graph))
    #expect(throws: GraphError.self) { try session.run(shape: [1, 10_000, 30_000, 3]) { _, _ in } }
  }
}

@Suite struct ExecutableTests {
  private struct Stranger: Operator {
    static let wireName = "stranger"
    static let arity = 1...1
    init(attributes: Attributes) {}
    var attributes: Attributes { [:] }
    var quantizationRule: QuantizationRule { .float }
    func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
  }

  private static func node(_ name: String, _ input: Int, _ output: Int, _ op: any Operator = ReLU()) -> Node {
    Node(name: name, op: op, inputs: [ValueID(input)], output: ValueID(output))
  }

  static let broken: [(String, @Sendable (inout Graph) -> Void)] = [
    ("an operator that is not runnable", { $0.nodes.append(node("x", 0, 1, Stranger(attributes: [:]))) }),
    ("a value before it is made", { $0.nodes = [node("a", 2, 1), node("b", 1, 2)] }),
    ("a cycle of one", { $0.nodes = [node("a", 1, 1)] }),
    ("a value that is not there", { $0.nodes = [node("a", 99, 1)] }),
    ("a negative value", { $0.nodes = [node("a", -1, 1)] }),
    ("an output that is not there", { $0.nodes = [node("a", 0, 99)] }),
    ("two producers", { $0.nodes = [node("a", 0, 1), node("b", 0, 1)] }),
    ("a producer of the input", { $0.nodes = [node("a", 0, 0)] }),
    ("equal names", { $0.nodes = [node("a", 0, 1), node("a", 1, 2)] }),
    ("too few inputs", { $0.nodes = [node("a", 0, 1, Addition())] }),
    ("no inputs", { $0.nodes = [Node(name: "a", op: ReLU(), inputs: [], output: ValueID(1))] }),
    ("an output nobody makes", { $0.outputs = [GraphOutput(name: "o", value: ValueID(2))] }),
    ("an output outside", { $0.outputs = [GraphOutput(name: "o", value: ValueID(77))] }),
    (
      "equal output names",
      { $0.outputs = [GraphOutput(name: "o", value: ValueID(0)), GraphOutput(name: "o", value: ValueID(0))] }
    ),
    ("a missing constant", { $0.nodes = [node("a", 0, 1, Convolution(window: Window(1)))] }),
  ]

  @Test(arguments: broken.map(\.0))
  func brokenGraphsGiveTypedErrors(name: String) throws {
    var graph = Graph(architecture: "broken", preprocessing: .imageNet)
    _ = (graph.makeValue(), graph.makeValue())
    try #require(Self.broken.first { $0.0 == name }).1(&graph)
    #expect(throws: GraphError.self) { try Executable(graph) }
  }

  @Test func errorsNameTheNode() throws {
    var graph = Graph(architecture: "broken", preprocessing: .imageNet)
    graph.append(Convolution(window: Window(1)), name: "layer1.0.conv2", inputs: [graph.input])
    #expect(throws: GraphError.at(node: "layer1.0.conv2", .constant(role: "weight", problem: "is missing"))) {
      try Executable(graph)
    }
  }
}

@Suite struct ThreadTeamTests {
  @Test(arguments: 1...4)
  func everyIndexRunsOnceAndNoWorkerTwiceAtATime(count: Int) {
    let team = ThreadTeam(count: count)
    for iterations in [0, 1, 2, 3, 17, 1000, 5, 0, 64] {
      let runs = (0..<max(iterations, 1)).map { _ in Box(Atomic<Int>(0)) }
      let inside = (0..<count).map { _ in Box(Atomic<Int>(0)) }
      let clashes = Atomic<Int>(0)
      team.forEach(iterations) { index, worker in
        if inside[worker].value.add(1, ordering: .sequentiallyConsistent).oldValue != 0 {
          clashes.add(1, ordering: .relaxed)
        }
        runs[index].value.add(1, ordering: .relaxed)
        inside[worker].value.subtract(1, ordering: .sequentiallyConsistent)
      }
      for index in 0..<iterations { #expect(runs[index].value.load(ordering: .relaxed) == 1) }
      #expect(clashes.load(ordering: .relaxed) == 0)
    }
  }

  @Test func manyShortLoopsAndSleepsBetweenThem() {
    let team = ThreadTeam(count: 3)
    let sum = Atomic<Int>(0)
    for loop in 0..<3000 {
      team.forEach(3) { index, _ in sum.add(index + 1, ordering: .relaxed) }
      // Long enough, now and then, for workers to fall asleep.
      if loop % 500 == 0 { for _ in 0..<2_000_000 where sum.load(ordering: .relaxed) < 0 { break } }
    }
    #expect(sum.load(ordering: .relaxed) == 3000 * 6)
  }

  private final class Box: Sendable {
    let value: Atomic<Int>
    init(_ value: consuming Atomic<Int>) { self.value = value }
  }
}
