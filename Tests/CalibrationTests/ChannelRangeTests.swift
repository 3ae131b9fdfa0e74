import Calibration
import Graphs
import Pixels
import ReferenceOperators
import Runtime
import Testing

@Suite struct ChannelRangeTests {
  private static func range(_ values: [Float], channels: Int) -> ChannelRange {
    var range = ChannelRange(channels: channels)
    values.withUnsafeBufferPointer { range.include($0) }
    return range
  }

  @Test(arguments: [1, 3, 17, 64])
  func boundsAreThoseOfEachChannel(channels: Int) {
    var random = SplitMix64(seed: UInt64(channels))
    let values = random.floats(channels * 50, -3...2)
    let range = Self.range(values, channels: channels)
    for channel in 0..<channels {
      let own = stride(from: channel, to: values.count, by: channels).map { values[$0] }
      #expect(range.minima[channel] == own.reduce(0, min))
      #expect(range.maxima[channel] == own.reduce(0, max))
    }
  }

  @Test func sharesAreOfBothEnds() {
    #expect(Self.range([4, -1, 2, 1, -2, 0, 0, 0], channels: 4).shares == [1, 0.5, 0.5, 0.25])
    #expect(Self.range([4, 0, 1], channels: 3).shares == [1, 0, 0.25])
    #expect(Self.range([0, 0], channels: 2).shares == [0, 0])
    #expect(Self.range([1, .nan], channels: 2).shares == [1, 0])
    #expect(Self.range([1, .infinity], channels: 2).shares == nil)
    #expect(Self.range([1, -.infinity], channels: 2).shares == nil)
    #expect(Self.range([], channels: 0).shares == [])
  }

  @Test func extremesAreOfDividedChannels() {
    let extremes = Self.range([4, -1, 2, 1, -2, 0, 0, 0], channels: 4).extremes(dividing: [1, 0.25, 1, 0.125])
    #expect(extremes.least == -4 && extremes.largest == 8)
    #expect(Self.range([1, .infinity], channels: 2).extremes(dividing: [1, 0.5]).largest == .infinity)
  }

  @Test func rangesDoNotDependOnWorkersAndOrder() throws {
    let graph = RandomGraph.make(seed: 8, isRich: true)
    let executable = try Executable(graph)
    let observed = graph.nodes.map(\.output)
    let images = try (0..<9).map { seed in
      var random = SplitMix64(seed: UInt64(seed))
      let (width, height) = (random.int(16...20), random.int(16...20))
      return try #require(RGBImage(width: width, height: height, pixels: random.bytes(3 * width * height)))
    }
    // By hand, one image after the other.
    var expected: [ValueID: ChannelRange] = [:]
    for image in images {
      let session = Session(executable)
      _ = try session.run(pixels: image.pixels, height: image.height, width: image.width) { value, shape, bytes in
        guard value != graph.input else { return }
        let own = Self.range(Array(bytes.bindMemory(to: Float.self)), channels: shape.channels)
        expected[value, default: own].merge(own)
      }
    }
    for workers in 1...3 {
      let observer = ChannelRangeObserver(executable, observing: observed)
      for (index, image) in images.enumerated().reversed() { try observer.observe(image, worker: index % workers) }
      #expect(observer.ranges() == expected)
    }
    #expect(ChannelRangeObserver(executable, observing: observed).ranges().isEmpty)
  }
}
