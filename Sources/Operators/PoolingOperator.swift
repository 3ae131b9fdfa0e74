import CKernels
import Graphs
import Tensors
import Threads

/// Reduces each window of a map to a pixel, through a table of offsets.
struct PoolingOperator: PreparedOperator {
  /// Takes the buffers, the offsets of the first output pixel, the output pixels to compute, and the sizes of the maps.
  typealias Body = @Sendable (OperatorBuffers, UnsafePointer<Int32>, Range<Int>, Extents) -> Void

  struct Extents {
    let channels: Int
    /// The number of elements of the input, which is the distance from levels to their remainders.
    let inputCount: Int
    /// The number of elements of the output, which is the distance from levels to their remainders.
    let outputCount: Int
  }

  let window: Window
  /// Whether a tap in the padding counts as zero (`QUERN_TAP_ZERO`) rather than being left out.
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
    guard !window.hasWindowOutside(input: inputs[0], output: output, countsPadding: countsPadding) else {
      throw .inputSize("a pooling window lies outside of a map of \(inputs[0])")
    }
    let rows = output.batch * output.height * output.width
    return Planned(
      body: body, input: inputs[0], output: output, taps: window.taps, offsets: offsets,
      chunk: max(1, (rows + context.workers - 1) / context.workers))
  }

  private struct Planned: PlannedOperator {
    let body: Body
    let input: Shape
    let output: Shape
    let taps: Int
    let offsets: [Int32]
    let chunk: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let rows = output.batch * output.height * output.width
      let extents = Extents(
        channels: output.channels, inputCount: input.elementCount, outputCount: output.elementCount)
      offsets.withUnsafeBufferPointer { offsets in
        guard let offsets = offsets.baseAddress else { return }
        team.forEach(
          (rows + chunk - 1) / chunk,
          with: (plan: self, buffers: buffers, offsets: offsets, extents: extents, rows: rows)
        ) { state, piece, _ in
          let plan = state.plan
          let range = piece * plan.chunk..<min((piece + 1) * plan.chunk, state.rows)
          plan.body(state.buffers, state.offsets + range.lowerBound * plan.taps, range, state.extents)
        }
      }
    }
  }
}
