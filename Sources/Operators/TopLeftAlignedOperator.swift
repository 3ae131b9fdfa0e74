import Graphs
import Tensors
import Threads

extension Shape {
  /// The smallest height and the smallest width of some maps. NASNet and PNASNet can take images of any size because
  /// they crop maps to this size, at the bottom and the right, before they add or concatenate them.
  static func commonCorner(_ maps: [Shape]) -> (height: Int, width: Int) {
    (maps.map(\.height).min() ?? 0, maps.map(\.width).min() ?? 0)
  }
}

/// A range of pixels of an output that are consecutive in every input, too.
struct PixelRun {
  let output: Shape
  let inputs: [Shape]
  /// The index of the first pixel in the output.
  let first: Int
  let count: Int

  /// The index of the first pixel in an input.
  func start(ofInput slot: Int) -> Int {
    Self.start(first, of: output, in: inputs[slot])
  }

  /// The index in an input of the pixel `first` of an output.
  static func start(_ first: Int, of output: Shape, in input: Shape) -> Int {
    if input.rank != 4 || (input.height == output.height && input.width == output.width) { return first }
    let (line, column) = (first / output.width, first % output.width)
    return ((line / output.height) * input.height + line % output.height) * input.width + column
  }

  /// The image that the run's first pixel belongs to.
  var image: Int { first / (output.height * output.width) }
}

/// Computes each output pixel from the same pixel of several maps. Larger maps are cropped.
struct TopLeftAlignedOperator: PreparedOperator {
  typealias Body = @Sendable (PixelRun, OperatorBuffers) -> Void

  /// Whether runs must stay within a line even where all maps have the same size.
  let staysInLines: Bool
  let body: Body

  init(staysInLines: Bool = false, body: @escaping Body) {
    self.staysInLines = staysInLines
    self.body = body
  }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
    let pixels = output.channels == 0 ? 0 : output.elementCount / output.channels
    let maps = inputs.filter { $0.rank == 4 }
    let isCropping = maps.contains { $0.height != output.height || $0.width != output.width }
    // Two pieces for each worker, unless lines must be kept apart.
    let pieces = context.workers > 1 ? 2 * context.workers : 1
    let run = isCropping || staysInLines ? output.width : max(1, (pixels + pieces - 1) / pieces)
    return Planned(body: body, inputs: inputs, output: output, pixels: pixels, runLength: run)
  }

  private struct Planned: PlannedOperator {
    let body: Body
    let inputs: [Shape]
    let output: Shape
    let pixels: Int
    let runLength: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      team.forEach((pixels + runLength - 1) / runLength, with: (plan: self, buffers: buffers)) { state, piece, _ in
        let plan = state.plan
        let first = piece * plan.runLength
        plan.body(
          PixelRun(
            output: plan.output, inputs: plan.inputs, first: first, count: min(plan.runLength, plan.pixels - first)),
          state.buffers)
      }
    }
  }
}
