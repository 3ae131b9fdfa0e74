import Graphs
import Passes
import Pixels

/// The folded network, whose outputs were compared with those of the imported one.
struct Folding {
  /// The network, still ready to run after the comparison.
  var network: FloatNetwork
  /// The rewrites, one line each.
  let notes: [String]
  /// The largest difference of an output from the imported network's, relative to the output's largest magnitude.
  let difference: Float
  /// The comparison, for later rewrites of the graph.
  let proof: RewriteCheck

  /// - Parameter image: the image that the networks are compared on.
  /// - Throws: `ConversionError.notEquivalent` where the outputs change by more than rounding explains.
  init(_ imported: ImportedCheckpoint, probe image: RGBImage, threads: Int) throws {
    proof = try RewriteCheck(imported.graph, probe: image, threads: threads)
    imported.checkpoint.releasePages()
    let (prepared, inputNotes) = try imported.graph.foldingInputNormalization()
    let (graph, passNotes) = try PassPipeline.fold(keeping: imported.network.fixedNodes).run(
      prepared, afterEachPatch: imported.checkpoint.releasePages)
    notes = inputNotes + passNotes
    network = FloatNetwork(graph, threads: threads)
    difference = try proof.difference(of: try network.executable(), after: "folding")
    imported.checkpoint.releasePages()
  }
}
