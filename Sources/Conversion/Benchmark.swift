import Graphs
import Kernels
import Runtime
import Threads

/// Times inference on random images.
package struct Benchmark {
  private let executable: Executable
  private let side: Int
  private let batch: Int
  private let threads: Int

  /// - Parameter threads: that work on one batch together.
  package init(executable: Executable, side: Int, batch: Int, threads: Int) {
    self.executable = executable
    self.side = side
    self.batch = batch
    self.threads = threads
  }

  /// Milliseconds per image of a number of runs.
  package struct Times: Sendable {
    let sorted: [Double]
    /// Milliseconds of the very first batch, buffers and threads made for it included.
    package let first: Double
    /// The memory resident after the last run, buffers included, in bytes; `nil` where the system does not tell.
    package let residentBytes: Int?
    package var minimum: Double { sorted.first ?? 0 }

    /// The nearest-rank quantile.
    package func quantile(_ share: Double) -> Double {
      sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }
  }

  /// Any pixels will do: no kernel's time depends on the values.
  private func randomPixels() -> [UInt8] {
    var state: UInt32 = 1
    return (0..<batch * side * side * 3).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24)
    }
  }

  /// Runs three times to warm up, then `count` times.
  package func run(count: Int, progress: any ProgressObserver) throws(GraphError) -> Times {
    let pixels = randomPixels()
    let clock = ContinuousClock()
    let beginning = clock.now
    let session = Session(executable, team: ThreadTeam(count: threads))
    var first = 0.0
    var times: [Double] = []
    progress.begin("bench", total: count)
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

  /// What one node takes of a batch.
  package struct LayerTime: Encodable, Sendable {
    package let name: String
    package let kind: String
    /// NHWC or NC.
    package let output: [Int]
    /// The median over the runs, for an image.
    package let ms: Double
    /// Multiply-accumulates for an image; 0 where they do not dominate.
    package let macs: Int

    /// Billions of multiply-accumulates a second.
    package var speed: Double { ms > 0 ? Double(macs) / ms * 1e-6 : 0 }
  }

  /// The time of every node in order of execution, from `count` runs after three to warm up.
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
      // The observer is called for the input first.
      let times = samples.map { $0[index + 1] }.sorted()
      let macs = node.op.multiplyAccumulates(
        inputs: node.inputs.compactMap { shapes[$0.index] }, constants: node.constants)
      return LayerTime(
        name: node.name, kind: node.kind, output: shapes[node.output.index]?.dimensions ?? [],
        ms: times[times.count / 2] * 1e3 / Double(batch), macs: macs / batch)
    }
  }
}
