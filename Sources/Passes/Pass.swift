import Graphs

/// A rewrite of a graph. A pass inspects the graph and returns a patch; the pipeline applies it and checks the result.
package protocol Pass: Sendable {
  /// The name in error messages, such as "fold batch normalisation".
  static var name: String { get }

  /// The changes that can be made at once; empty when there is nothing left to do.
  ///
  /// - Throws: `GraphError.at` with a node that the pass should rewrite and whose constants are missing or do not fit.
  func patch(for graph: Graph) throws(GraphError) -> GraphPatch
}

/// A sequence of passes, each repeated until it finds nothing left to do.
package struct PassPipeline: Sendable {
  /// The passes in the order in which they run.
  package let passes: [any Pass]

  /// Creates a pipeline that runs `passes` in order.
  package init(_ passes: [any Pass]) { self.passes = passes }

  /// The passes that conversion applies to an imported float graph. Each preserves the graph's outputs except for
  /// rounding in float32.
  package static let fold = PassPipeline.fold(keeping: [])

  /// The passes of `fold`, for a graph some of whose weights must stay as they are.
  ///
  /// - Parameter fixed: the nodes with these weights.
  package static func fold(keeping fixed: Set<NodeID>) -> PassPipeline {
    PassPipeline([
      FoldMapMargins(), SplitBatchNormalization(), MergeScaledResidual(), FoldBatchNormalization(keeping: fixed),
      FoldIntoNextLayer(keeping: fixed), ReplaceBatchNormalization(), MergeParallelLayers(keeping: fixed),
      MergeDuplicates(),
      MoveActivation(), MergeDuplicates(), FuseActivation(), OrderNodes(), FuseResidual(), RemoveUnusedNodes(),
    ])
  }

  /// The number of nodes that passes may go through, each of them again for each patch. A patch makes all changes that
  /// do not depend on each other, so networks need a few patches for each pass. So many nodes take one to two seconds.
  static let visitLimit = 1 << 19

  /// Runs the passes and validates the graph after each patch.
  ///
  /// - Parameters:
  ///   - graph: the float graph to rewrite.
  ///   - afterEachPatch: called as soon as a patch's new constants exist, so that a caller whose constants are views of
  ///     a mapped file can release its pages.
  /// - Returns: the rewritten graph, and one line for each rewrite.
  /// - Throws: `GraphError.after` with the pass that failed or left the graph invalid; `.structure` or `.at` where
  ///   `graph` itself is invalid.
  package func run(
    _ graph: Graph, afterEachPatch: () -> Void = {}
  ) throws(GraphError) -> (graph: Graph, notes: [String]) {
    try graph.validate()
    var graph = graph
    var notes: [String] = []
    var visits = 0
    for pass in passes {
      do throws(GraphError) {
        while true {
          let patch = try pass.patch(for: graph)
          if patch.isEmpty { break }
          visits += graph.nodes.count
          guard visits <= Self.visitLimit else {
            throw .structure(
              "rewriting its \(graph.nodes.count) nodes takes more than \(Self.visitLimit) steps, the limit; simplify the "
                + "model when exporting, as onnxsim does")
          }
          graph = patch.applied(to: graph)
          notes += patch.notes
          afterEachPatch()
          try graph.validate()
        }
      } catch {
        throw .after(pass: type(of: pass).name, error)
      }
    }
    return (graph, notes)
  }
}
