import Calibration
import Graphs
import Operators
import Pixels
import ReferenceOperators
import Runtime
import Testing

@Suite struct CalibratorTests {
  private static func image(_ seed: Int) throws -> RGBImage {
    var random = SplitMix64(seed: UInt64(seed))
    let (width, height) = (random.int(16...20), random.int(16...20))
    return try #require(RGBImage(width: width, height: height, pixels: random.bytes(3 * width * height)))
  }

  @Test func statisticsDoNotDependOnWorkersAndOrder() throws {
    let graph = RandomGraph.make(seed: 8)
    let executable = try Executable(graph)
    let observed = graph.nodes.filter { $0.op is Convolution }.map(\.output)
    let images = try (0..<9).map(Self.image)

    // By hand, in one session.
    var expected: [ValueID: ActivationHistogram] = [:]
    let session = Session(executable)
    for image in images {
      _ = try image.pixels.withUnsafeBufferPointer { pixels in
        try session.run(pixels: pixels, height: image.height, width: image.width) { value, _, bytes in
          guard observed.contains(value) else { return }
          expected[value, default: ActivationHistogram()].count(Array(bytes.bindMemory(to: Float.self)))
        }
      }
    }

    for workers in 1...3 {
      let calibrator = Calibrator(executable, observing: observed)
      for (index, image) in images.enumerated().reversed() { try calibrator.count(image, worker: index % workers) }
      let statistics = calibrator.statistics()
      #expect(statistics.passes == images.count)
      #expect(statistics.histograms == expected)
    }
  }

  @Test func concurrentWorkersCountAll() async throws {
    let graph = RandomGraph.make(seed: 9)
    let calibrator = Calibrator(try Executable(graph), observing: graph.nodes.map(\.output))
    let alone = Calibrator(try Executable(graph), observing: graph.nodes.map(\.output))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<4 {
        group.addTask {
          for index in 0..<5 { try calibrator.count(try Self.image(5 * worker + index), worker: worker) }
        }
      }
      try await group.waitForAll()
    }
    for index in 0..<20 { try alone.count(try Self.image(index), worker: 0) }
    #expect(calibrator.statistics().histograms == alone.statistics().histograms)
    #expect(calibrator.statistics().passes == 20)
  }

  @Test func statisticsMergeExactly() throws {
    let graph = RandomGraph.make(seed: 10)
    let values = graph.nodes.map(\.output)
    let executable = try Executable(graph)
    func statistics(_ range: Range<Int>) throws -> ActivationStatistics {
      let calibrator = Calibrator(executable, observing: values)
      for index in range { try calibrator.count(try Self.image(index), worker: 0) }
      return calibrator.statistics()
    }
    let whole = try statistics(0..<6)
    for split in 0...6 {
      var merged = try statistics(split..<6)
      merged.merge(try statistics(0..<split))
      #expect(merged.histograms == whole.histograms && merged.passes == 6)
    }
  }

  @Test func anImageThatIsTooSmallIsRefusedAndNotCounted() throws {
    var graph = Graph(architecture: "small", preprocessing: .imageNet)
    let value = graph.append(MaxPooling(window: Window(8)), name: "pool", inputs: [graph.input])
    graph.outputs = [GraphOutput(name: "output", value: value)]
    let calibrator = Calibrator(try Executable(graph), observing: [value])
    let small = try #require(RGBImage(width: 4, height: 4, pixels: [UInt8](repeating: 1, count: 48)))
    #expect(throws: GraphError.self) { try calibrator.count(small, worker: 0) }
    #expect(calibrator.statistics().passes == 0)
    #expect(calibrator.statistics().histograms[value]?.total == 0)
  }
}
