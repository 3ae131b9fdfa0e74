import Graphs

/// A network read from a checkpoint, with everything that the reading took for granted.
package struct ImportedNetwork: Sendable {
  /// The float network before any pass. Its constants are views of the checkpoint's tensors.
  package var graph: Graph
  /// What the file cannot tell and the importer had to assume, in the order in which it was assumed.
  package var assumptions: [ImportAssumption]
  /// What was recognised, skipped or reinterpreted, a sentence each.
  package var notes: [String]
  /// The height and width that the file fixes for its images, in pixels; `nil` where it takes any.
  package var fixedImageSize: FixedImageSize?

  package init(
    graph: Graph, assumptions: [ImportAssumption] = [], notes: [String] = [], fixedImageSize: FixedImageSize? = nil
  ) {
    self.graph = graph
    self.assumptions = assumptions
    self.notes = notes
    self.fixedImageSize = fixedImageSize
  }
}

/// Something that a checkpoint does not say and that decides what the network computes.
package struct ImportAssumption: Sendable, Hashable {
  /// A sentence: "the stride of a bottleneck is in its 3x3 convolution".
  package let statement: String
  /// How to change it: "--stride-in conv1"; `nil` where no option does.
  package let option: String?
  /// Whether the file holds signs that it may be wrong, so that a report has to warn.
  package let isDoubtful: Bool

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
  /// Those that may be wrong, as warnings of a report.
  package var warnings: [String] { filter(\.isDoubtful).map { "this assumption may be wrong: \($0)" } }
}

extension ImportAssumption {
  /// The options that change how pixels are normalised.
  package static let preprocessingOption = "--mean and --std"

  /// What a file that says nothing on preprocessing is taken to expect.
  ///
  /// - Parameter reason: why, such as "as 'pixel_mean' and 'pixel_std' have it".
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
  package let width: Int

  package init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }
}
