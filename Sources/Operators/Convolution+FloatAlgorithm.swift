import Graphs
import Kernels
import Synchronization
import Tensors

/// A dense float convolution that Winograd's filtering computes on maps that are worth it, and the direct sum on others.
///
/// Weights are packed for an algorithm when the first map is planned that needs it: nearly always all maps of a layer need
/// the same one, so there is one packed copy.
final class TwofoldConvolution: PreparedOperator {
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

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    // Several threads may plan.
    let prepared = try packed.withLock { packed throws(GraphError) -> any PreparedOperator in
      Convolution.isWorthWinograd(output)
        ? try ready(&packed.winograd, WinogradConvolution.init) : try ready(&packed.direct, FloatConvolution.init)
    }
    return try prepared.plan(inputs: inputs, output: output, context: context)
  }

  private func ready<Prepared: PreparedOperator>(
    _ known: inout Prepared?, _ prepare: (Convolution, PreparationContext) throws(GraphError) -> Prepared
  ) throws(GraphError) -> Prepared {
    if let known { return known }
    let prepared = try prepare(op, context)
    known = prepared
    // The packed form is what will be read from now on.
    for constant in context.constants.values { constant.releasePages() }
    return prepared
  }
}

extension Convolution {
  /// Channels, of the input and of the output, below which transforming tiles costs more than it saves.
  private static let leastWinogradChannels = 32
  /// Tiles of an image below which the larger weights take longer to come from memory than all products.
  private static let leastWinogradTiles = 12

  /// Whether maps large enough are computed by Winograd's filtering in float.
  func allowsWinograd(weight: Shape) -> Bool {
    groups == 1 && (window.height, window.width) == (3, 3) && (window.strideHeight, window.strideWidth) == (1, 1)
      && (window.dilationHeight, window.dilationWidth) == (1, 1) && weight.rank == 4
      && min(weight[0], weight[3]) >= Self.leastWinogradChannels
  }

  /// Whether a map is large enough; the same for an image and for a batch of them.
  static func isWorthWinograd(_ output: Shape) -> Bool {
    (output.height + 1) / 2 * ((output.width + 1) / 2) >= leastWinogradTiles
  }

  /// Whether a float map of a shape is computed by Winograd's filtering.
  package func usesWinograd(weight: Shape, output: Shape) -> Bool {
    allowsWinograd(weight: weight) && Self.isWorthWinograd(output)
  }
}
