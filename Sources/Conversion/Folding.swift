import Graphs
import Images
import Passes

/// The folded network, proved to compute what the imported one does.
struct Folding {
  /// Ready to run, as the proof left it.
  var network: FloatNetwork
  /// A line for each rewrite.
  let notes: [String]
  let difference: Float
  /// For what else is done to the graph.
  let proof: FloatProof

  /// - Throws: `ConversionError.notEquivalent`.
  init(_ imported: ImportedCheckpoint, probe image: RGBImage, threads: Int) throws {
    proof = try FloatProof(imported.graph, probe: image, threads: threads)
    imported.checkpoint.releasePages()
    let (prepared, first) = try imported.graph.foldingInputNormalization()
    let (graph, rest) = try PassPipeline.fold.run(prepared, afterEachPatch: imported.checkpoint.releasePages)
    notes = first + rest
    network = FloatNetwork(graph, threads: threads)
    difference = try proof.difference(of: try network.executable(), after: "folding")
    imported.checkpoint.releasePages()
  }
}
