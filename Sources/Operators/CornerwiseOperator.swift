import Graphs
import Tensors
import Threads

extension Shape {
  /// The height and width that maps of unequal size have in common. NASNet and PNASNet take images of any size by
  /// cropping maps to it, at the bottom and the right, before they are added or concatenated.
  static func commonCorner(_ maps: [Shape]) -> (height: Int, width: Int) {
    (maps.map(\.height).min() ?? 0, maps.map(\.width).min() ?? 0)
  }
}

/// Consecutive pixels of an output that are consecutive in every input, too.
struct PixelRun {
  let output: Shape
  let inputs: [Shape]
  /// The first pixel, counted from the start of the output.
  let first: Int
  let count: Int

  /// The pixel of an input where the run begins.
  func start(ofInput slot: Int) -> Int {
    let input = inputs[slot]
    if input.rank != 4 || (input.height == output.height && input.width == output.width) { return first }
    let (line, column) = (first / output.width, first % output.width)
    return ((line / output.height) * input.height + line % output.height) * input.width + column
  }

  /// The image that the run's first pixel belongs to.
  var image: Int { first / (output.height * output.width) }
}

/// An evaluation of each output pixel from the same pixel of several maps, of which the larger are cropped.
struct CornerwiseOperator: PreparedOperator {
  typealias Body = @Sendable (PixelRun, OperatorBuffers) -> Void

  /// Whether runs must not span lines even where all maps are of one size.
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
      team.forEach((pixels + runLength - 1) / runLength) { piece, _ in
        let first = piece * runLength
        body(
          PixelRun(output: output, inputs: inputs, first: first, count: min(runLength, pixels - first)), buffers)
      }
    }
  }
}
