import Graphs
import Kernels
import Runtime
import Threads

/// Measures how long inference takes on random images.
package struct Benchmark {
  private let executable: Executable
  private let side: Int
  private let batch: Int
  private let threads: Int

  /// - Parameters:
  ///   - executable: the network to time.
  ///   - side: the width and height of the images, in pixels.
  ///   - batch: how many images a run takes.
  ///   - threads: how many threads work on one batch together.
  package init(executable: Executable, side: Int, batch: Int, threads: Int) {
    self.executable = executable
    self.side = side
    self.batch = batch
    self.threads = threads
  }

  /// The times of a number of runs, in milliseconds per image.
  package struct Times: Sendable {
    let sorted: [Double]
    /// The time of the very first batch in milliseconds, which includes the allocation of buffers and the start of
    /// threads.
    package let first: Double
    /// The memory resident after the last run, buffers included, in bytes; `nil` where the system does not report it.
    package let residentBytes: Int?
    /// The time of the fastest run, in milliseconds per image.
    package var minimum: Double { sorted.first ?? 0 }

    /// The nearest-rank quantile, in milliseconds per image.
    ///
    /// - Parameter share: from 0 to 1; 0.5 is the median.
    package func quantile(_ share: Double) -> Double {
      sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }
  }

  /// Any pixels will do, because no kernel's time depends on the values.
  private func randomPixels() -> [UInt8] {
    var state: UInt32 = 1
    return (0..<batch * side * side * 3).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24)
    }
  }

  /// Runs three times to warm up, then times `count` runs.
  ///
  /// - Throws: `GraphError` where the network cannot take images of this size.
  package func run(count: Int, progress: any ProgressObserver) throws(GraphError) -> Times {
    let pixels = randomPixels()
    let clock = ContinuousClock()
    let beginning = clock.now
    let session = Session(executable, team: ThreadTeam(count: threads))
    var first = 0.0
    var times: [Double] = []
    progress.begin("bench", total: count, unit: .runs)
    defer { progress.end() }
    for index in 0..<count + 3 {
      let start = clock.now
      _ = try session.run(pixels: pixels, batch: batch, height: side, width: side)
      let seconds = (clock.now - start).seconds
      if index == 0 { first = (clock.now - beginning).seconds * 1e3 }
      if index >= 3 {
        times.append(seconds * 1e3 / Double(batch))
        progress.advance()
      }
    }
    let resident = withExtendedLifetime(session) { ProcessStatistics.residentBytes }
    return Times(sorted: times.sorted(), first: first, residentBytes: resident)
  }

  /// The time that one node takes.
  package struct LayerTime: Encodable, Sendable {
    /// The name of the node.
    package let name: String
    /// The name of its operator.
    package let kind: String
    /// The shape of its output for the whole batch, NHWC or NC.
    package let output: [Int]
    /// The median over the runs, in milliseconds per image.
    package let ms: Double
    /// Multiply-accumulates per image; 0 for operators whose time they do not dominate.
    package let macs: Int

    /// Billions of multiply-accumulates per second.
    package var speed: Double { ms > 0 ? Double(macs) / ms * 1e-6 : 0 }
  }

  /// The time of every node in order of execution, from `count` runs after three that warm up.
  ///
  /// - Parameter count: at least 1.
  /// - Throws: `GraphError` where the network cannot take images of this size.
  package func layers(count: Int) throws(GraphError) -> [LayerTime] {
    let graph = executable.graph
    let shapes = try graph.inferShapes(input: [batch, side, side, 3])
    let pixels = randomPixels()
    let session = Session(executable, team: ThreadTeam(count: threads))
    var samples: [[Double]] = []
    for index in 0..<count + 3 {
      var row: [Double] = []
      var last = ContinuousClock.now
      _ = try session.run(pixels: pixels, batch: batch, height: side, width: side) { _, _, _ in
        let now = ContinuousClock.now
        row.append((now - last).seconds)
        last = now
      }
      if index >= 3 { samples.append(row) }
    }
    return graph.nodes.enumerated().map { index, node in
      // The observer is called for the network's input first, hence the 1.
      let times = samples.map { $0[index + 1] }.sorted()
      let macs = node.op.multiplyAccumulates(
        inputs: node.inputs.compactMap { shapes[$0.index] }, constants: node.constants)
      return LayerTime(
        name: node.name, kind: node.kind, output: shapes[node.output.index]?.dimensions ?? [],
        ms: times[times.count / 2] * 1e3 / Double(batch), macs: macs / batch)
    }
  }
}
