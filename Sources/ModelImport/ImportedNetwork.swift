import Graphs

/// A network read from a checkpoint, with the assumptions made in reading it.
package struct ImportedNetwork: Sendable {
  /// The float network before any pass. Its constants are views of the checkpoint's tensors.
  package var graph: Graph
  /// What the file does not state and the importer had to assume, in the order in which it did.
  package var assumptions: [ImportAssumption]
  /// What was recognised, skipped or reinterpreted, one sentence each.
  package var notes: [String]
  /// The image size that the file requires; `nil` where it accepts any.
  package var fixedImageSize: FixedImageSize?
  /// The quantisation that the file states; `nil` for a network in float. Its activations are rounded by operators of
  /// the graph.
  package var quantization: StoredQuantization?
  /// The tensors of the head; `nil` for an ONNX model.
  package var head: CheckpointHead?

  package init(
    graph: Graph, assumptions: [ImportAssumption] = [], notes: [String] = [], fixedImageSize: FixedImageSize? = nil
  ) {
    self.graph = graph
    self.assumptions = assumptions
    self.notes = notes
    self.fixedImageSize = fixedImageSize
  }

  /// The nodes whose weights rewrites must not change, because the file stores their levels.
  package var fixedNodes: Set<NodeID> { quantization?.fixedNodes ?? [] }
}

/// Something that a checkpoint does not state and that decides what the network computes.
package struct ImportAssumption: Sendable, Hashable {
  /// A sentence, such as "the stride of a bottleneck is in its 3x3 convolution".
  package let statement: String
  /// The option that changes it, such as "--stride-in conv1"; `nil` where none does.
  package let option: String?
  /// Whether the file has signs that the assumption may be wrong, so that reports have to warn.
  package let isDoubtful: Bool

  /// Creates an assumption from its properties.
  package init(_ statement: String, option: String? = nil, isDoubtful: Bool = false) {
    self.statement = statement
    self.option = option
    self.isDoubtful = isDoubtful
  }
}

extension ImportAssumption: CustomStringConvertible {
  package var description: String { statement + (option.map { " (change with \($0))" } ?? "") }
}

extension [ImportAssumption] {
  /// The doubtful assumptions, as warnings for a report.
  package var warnings: [String] { filter(\.isDoubtful).map { "this assumption may be wrong: \($0)" } }
}

extension ImportAssumption {
  /// The options that change how pixels are normalised, as they are named in messages.
  package static let preprocessingOption = "--mean and --std"

  /// The assumption about the normalisation of pixels, for a file that does not state it.
  ///
  /// - Parameter reason: why it is assumed, such as "as stored in 'pixel_mean' and 'pixel_std'".
  package static func preprocessing(_ preprocessing: Preprocessing, _ reason: String? = nil) -> ImportAssumption {
    func list(_ values: [Float]) -> String { values.map { "\($0)" }.joined(separator: ",") }
    return ImportAssumption(
      "pixels of 0...1 are normalised with mean \(list(preprocessing.mean)) and standard deviation "
        + list(preprocessing.std) + (reason.map { ", \($0)" } ?? ""), option: preprocessingOption)
  }
}

/// The image size that a network's input is declared with.
package struct FixedImageSize: Sendable, Hashable {
  /// In pixels.
  package let height: Int
  /// In pixels.
  package let width: Int

  /// Creates a size in pixels.
  package init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }
}
