import Graphs
import Images
import Passes

/// The folded graph, proved to compute what the imported one does.
struct Folding {
  var graph: Graph
  /// A line for each rewrite.
  let notes: [String]
  let difference: Float
  /// For what else is done to the graph.
  let proof: FloatProof

  /// - Throws: `PipelineError.notEquivalent`.
  init(_ imported: ImportedCheckpoint, probe image: RGBImage, threads: Int) throws {
    proof = try FloatProof(imported.graph, probe: image, threads: threads)
    imported.checkpoint.releasePages()
    (graph, notes) = try PassPipeline.fold.run(imported.graph, afterEachPatch: imported.checkpoint.releasePages)
    difference = try proof.difference(of: graph, after: "folding")
    imported.checkpoint.releasePages()
  }
}
