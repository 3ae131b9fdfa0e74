import Fidelity

/// What a whitening was learned from, and how well embeddings find images before and after it.
package struct WhiteningReport: Sendable {
  /// The schema of the JSON form (formats/whiten.md).
  package static let schema = "quern.whiten/1"

  /// The path of the checkpoint, and that of the whitened one, as they were given.
  package let checkpoint: String, output: String
  /// The figures of the whitening, by name.
  package let whitening: [String: JSONValue]
  /// How many images were left out in learning.
  package let skipped: Int
  /// What was decided about the network, a sentence each.
  package var notes: [String]
  /// Mean average precision by dimensions; `nil` where it was not measured.
  package var precision: PrecisionByDimension?
  /// What puts the figures in doubt, a sentence each.
  package var warnings: [String] = []
  package var toolVersion: String?

  package init(checkpoint: String, output: String, whitening: [String: JSONValue], skipped: Int, notes: [String]) {
    (self.checkpoint, self.output, self.whitening) = (checkpoint, output, whitening)
    (self.skipped, self.notes) = (skipped, notes)
  }
}

/// How well embeddings find images, by their number of dimensions, before and after whitening.
package struct PrecisionByDimension: Sendable {
  /// Embeddings of one kind.
  package struct Point: Hashable, Sendable {
    /// The number of elements of an embedding.
    package let dimensions: Int
    /// Whether embeddings are whitened; otherwise they are those of the network as it was.
    package let isWhitened: Bool
    /// Mean average precision by trapezoids, in percent.
    package let map: Estimate

    package init(dimensions: Int, isWhitened: Bool, map: Estimate) {
      (self.dimensions, self.isWhitened, self.map) = (dimensions, isWhitened, map)
    }
  }

  /// What images are to find: those of their class, or augmented copies of themselves.
  package let criterion: TuningReport.Criterion
  /// The images.
  package let images: ImageSet
  /// How images became inputs, such as "64 px, square, p = 3".
  package let input: String
  /// The number of images that were measured, and of those that have something to find.
  package let measured: Int, queries: Int
  /// The number of augmented copies of each image, and their recipe; 0 where classes are measured.
  package let copies: Int, recipe: String
  /// How many of the images are among those that whitening was learned from, by content.
  package let learned: Int
  /// The network as it was, and then whitened embeddings, the one with the most dimensions first.
  package let points: [Point]
  /// The number of dimensions of the embeddings that were written.
  package let written: Int

  package init(
    criterion: TuningReport.Criterion, images: ImageSet, input: String, measured: Int, queries: Int, copies: Int,
    recipe: String, learned: Int, points: [Point], written: Int
  ) {
    (self.criterion, self.images, self.input) = (criterion, images, input)
    (self.measured, self.queries, self.copies, self.recipe) = (measured, queries, copies, recipe)
    (self.learned, self.points, self.written) = (learned, points, written)
  }

  /// Why the figures flatter whitening, as a sentence; `nil` where they do not.
  package var warning: String? {
    guard learned > 0 else { return nil }
    return
      (learned == measured ? "mAP is measured on images" : "\(learned) of the images that mAP is measured on are some")
      + " that whitening was learned from, which flatters it; give others by --evaluate-images"
  }
}
