import Graphs
import Tensors
import Threads

/// Computes each pixel (or row) of the output independently, split into ranges of pixels.
struct ElementwiseOperator: PreparedOperator {
  /// Takes the output's shape, the buffers, and the pixels to compute.
  let body: @Sendable (Shape, OperatorBuffers, Range<Int>) -> Void

  init(_ body: @escaping @Sendable (Shape, OperatorBuffers, Range<Int>) -> Void) { self.body = body }

  /// Applies a function to float32 values.
  init(applying function: ActivationFunction) {
    self.init { shape, buffers, range in
      let first = range.lowerBound * shape.channels
      function.apply(
        buffers.inputs[0].assumingMemoryBound(to: Float.self) + first, range.count * shape.channels,
        to: buffers.output.assumingMemoryBound(to: Float.self) + first)
    }
  }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
    Planned(body: body, output: output, pieces: context.workers)
  }

  private struct Planned: PlannedOperator {
    let body: @Sendable (Shape, OperatorBuffers, Range<Int>) -> Void
    let output: Shape
    let pieces: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let pixels = output.channels == 0 ? 0 : output.elementCount / output.channels
      let chunk = max(1, (pixels + pieces - 1) / pieces)
      team.forEach(
        (pixels + chunk - 1) / chunk, with: (plan: self, buffers: buffers, pixels: pixels, chunk: chunk)
      ) { state, piece, _ in
        let range = piece * state.chunk..<min((piece + 1) * state.chunk, state.pixels)
        state.plan.body(state.plan.output, state.buffers, range)
      }
    }
  }
}
