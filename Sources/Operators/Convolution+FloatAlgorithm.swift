import Graphs
import Kernels
import Tensors
import Threads

/// A dense float32 convolution, computed by Winograd's filtering on maps that are large enough and directly on others.
///
/// Weights are packed for an algorithm when the first map that needs it is planned. Nearly always, all maps of a layer
/// need the same algorithm, so that only one packed copy exists.
final class DenseFloatConvolution: PreparedOperator {
  private let op: Convolution
  private let context: PreparationContext
  private let packed = Mutex(Packed())

  private struct Packed {
    var direct: FloatConvolution?
    var winograd: WinogradConvolution?
  }

  init(_ op: Convolution, _ context: PreparationContext) throws(GraphError) {
    try context.requireFloat(Convolution.wireName)
    try context.checkFloatConstants(rank: 4)
    (self.op, self.context) = (op, context)
  }

  /// The constants are counted, too: they are kept for maps that need another algorithm.
  var byteCount: Int {
    let packed = packed.withLock { ($0.direct?.byteCount ?? 0) + ($0.winograd?.byteCount ?? 0) }
    return context.constants.values.reduce(packed) { $0 + $1.byteCount }
  }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    // Several threads may plan at the same time.
    let prepared = try packed.withLock { packed throws(GraphError) -> any PreparedOperator in
      Convolution.isWorthWinograd(output)
        ? try pack(&packed.winograd, WinogradConvolution.init) : try pack(&packed.direct, FloatConvolution.init)
    }
    return try prepared.plan(inputs: inputs, output: output, context: context)
  }

  /// Packs nothing. Windows of 3x3 on maps of so many channels are neither pointwise nor read from a padded copy.
  func check(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) {
    guard !Convolution.isWorthWinograd(output) else { return }
    _ = try context.indirection(
      op.window, input: inputs[0], output: output, pixelStride: inputs[0].channels, outside: -1)
  }

  private func pack<Prepared: PreparedOperator>(
    _ cached: inout Prepared?, _ prepare: (Convolution, PreparationContext) throws(GraphError) -> Prepared
  ) throws(GraphError) -> Prepared {
    if let cached { return cached }
    let prepared = try prepare(op, context)
    cached = prepared
    // From here on, only the packed form is read.
    for constant in context.constants.values { constant.releasePages() }
    return prepared
  }
}

extension Convolution {
  /// The number of channels, of the input and of the output, below which transforming tiles costs more than it saves.
  private static let minWinogradChannels = 32
  /// The number of tiles of an image below which loading the larger weights from memory takes longer than all products.
  private static let minWinogradTiles = 12

  /// Whether Winograd's filtering computes maps that are large enough, in float32.
  func allowsWinograd(weight: Shape) -> Bool {
    groups == 1 && (window.height, window.width) == (3, 3) && (window.strideHeight, window.strideWidth) == (1, 1)
      && (window.dilationHeight, window.dilationWidth) == (1, 1) && weight.rank == 4
      && min(weight[0], weight[3]) >= Self.minWinogradChannels
  }

  /// Whether an output is large enough for Winograd's filtering. This does not depend on the size of the batch.
  static func isWorthWinograd(_ output: Shape) -> Bool {
    (output.height + 1) / 2 * ((output.width + 1) / 2) >= minWinogradTiles
  }

  /// Whether Winograd's filtering computes a float32 output of a shape.
  ///
  /// - Parameters:
  ///   - weight: The shape of the weights, [O, kh, kw, I / groups].
  ///   - output: The shape of the output, [N, H, W, O].
  package func usesWinograd(weight: Shape, output: Shape) -> Bool {
    allowsWinograd(weight: weight) && Self.isWorthWinograd(output)
  }
}
