import CKernels
import Graphs
import Kernels
import Tensors

/// An evaluation that reduces each window of a map to a pixel, through a table of offsets.
struct PoolingOperator: PreparedOperator {
  /// Buffers, the offsets of the first output pixel, the output pixels to compute, and the channels.
  typealias Body = @Sendable (OperatorBuffers, UnsafePointer<Int32>, Range<Int>, _ channels: Int) -> Void

  let window: Window
  /// Whether a tap in the padding is a zero (`QUERN_TAP_ZERO`) rather than nothing.
  let countsPadding: Bool
  let body: Body

  init(window: Window, countsPadding: Bool, body: @escaping Body) {
    self.window = window
    self.countsPadding = countsPadding
    self.body = body
  }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    let offsets = try context.indirection(
      window, input: inputs[0], output: output, pixelStride: inputs[0].channels, outside: Int32(QUERN_TAP_NONE),
      padding: countsPadding ? Int32(QUERN_TAP_ZERO) : nil)
    // A dilated window can step over a small map.
    for first in stride(from: 0, to: offsets.count, by: window.taps) {
      guard offsets[first..<first + window.taps].contains(where: { $0 != Int32(QUERN_TAP_NONE) }) else {
        throw .inputSize("a window of pooling has no position inside a map of \(inputs[0])")
      }
    }
    let rows = output.batch * output.height * output.width
    return Planned(
      body: body, output: output, taps: window.taps, offsets: offsets,
      chunk: max(1, (rows + context.workers - 1) / context.workers))
  }

  private struct Planned: PlannedOperator {
    let body: Body
    let output: Shape
    let taps: Int
    let offsets: [Int32]
    let chunk: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let rows = output.batch * output.height * output.width
      offsets.withUnsafeBufferPointer { offsets in
        guard let offsets = offsets.baseAddress else { return }
        team.forEach((rows + chunk - 1) / chunk) { piece, _ in
          let range = piece * chunk..<min((piece + 1) * chunk, rows)
          body(buffers, offsets + range.lowerBound * taps, range, output.channels)
        }
      }
    }
  }
}
