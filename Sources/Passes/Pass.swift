import Graphs

/// One rewrite of a graph. A pass looks and returns a patch; the pipeline applies it and checks the result.
package protocol Pass: Sendable {
  static var name: String { get }

  /// The rewrites that can be made at once; empty when there is nothing left to do.
  func patch(for graph: Graph) throws(GraphError) -> GraphPatch
}

/// Passes in order, each repeated until it finds nothing more.
package struct PassPipeline: Sendable {
  package let passes: [any Pass]

  package init(_ passes: [any Pass]) { self.passes = passes }

  /// What conversion does to an imported float graph. Every pass keeps the graph equal in float.
  package static let fold = PassPipeline([
    FoldMapMargins(), SplitBatchNormalization(), FoldBatchNormalization(), ReplaceBatchNormalization(), ShareRepeated(),
    MoveActivation(), ShareRepeated(), FuseActivation(), OrderNodes(), FuseResidual(), RemoveUnread(),
  ])

  /// - Parameter afterEachPatch: called as soon as a patch's new constants exist; a caller whose constants are views of a
  ///   mapped file can let go of its pages.
  /// - Returns: the rewritten graph, and what was done, a line for each rewrite.
  /// - Throws: `GraphError.after` naming the pass that left the graph broken, or that met something it cannot rewrite;
  ///   another case where the graph was broken before.
  package func run(
    _ graph: Graph, afterEachPatch: () -> Void = {}
  ) throws(GraphError) -> (graph: Graph, notes: [String]) {
    try graph.validate()
    var graph = graph
    var notes: [String] = []
    for pass in passes {
      do throws(GraphError) {
        while true {
          let patch = try pass.patch(for: graph)
          if patch.isEmpty { break }
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
