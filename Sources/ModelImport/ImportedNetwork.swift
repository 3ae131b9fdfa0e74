import Graphs

/// A network read from a checkpoint, with everything that the reading took for granted.
public struct ImportedNetwork: Sendable {
  /// The float network before any pass. Its constants are views of the checkpoint's tensors.
  public var graph: Graph
  /// What the file cannot tell and the importer had to assume, in the order in which it was assumed.
  public var assumptions: [ImportAssumption]
  /// What was recognised, skipped or reinterpreted, a sentence each.
  public var notes: [String]
  /// The height and width that the file fixes for its images, in pixels; `nil` where it takes any.
  public var fixedImageSize: FixedImageSize?

  public init(
    graph: Graph, assumptions: [ImportAssumption] = [], notes: [String] = [], fixedImageSize: FixedImageSize? = nil
  ) {
    self.graph = graph
    self.assumptions = assumptions
    self.notes = notes
    self.fixedImageSize = fixedImageSize
  }
}

/// Something that a checkpoint does not say and that decides what the network computes.
public struct ImportAssumption: Sendable, Hashable {
  /// A sentence: "the stride of a bottleneck is in its 3x3 convolution".
  public let statement: String
  /// How to change it: "--stride-in conv1"; `nil` where no option does.
  public let option: String?
  /// Whether the file holds signs that it may be wrong, so that a report has to warn.
  public let isDoubtful: Bool

  public init(_ statement: String, option: String? = nil, isDoubtful: Bool = false) {
    self.statement = statement
    self.option = option
    self.isDoubtful = isDoubtful
  }
}

extension ImportAssumption: CustomStringConvertible {
  public var description: String { statement + (option.map { " (change with \($0))" } ?? "") }
}

extension [ImportAssumption] {
  /// Those that may be wrong, as warnings of a report.
  public var warnings: [String] { filter(\.isDoubtful).map { "this assumption may be wrong: \($0)" } }
}

extension ImportAssumption {
  /// The options that change how pixels are normalised.
  public static let preprocessingOption = "--mean and --std"

  /// What a file that says nothing on preprocessing is taken to expect.
  ///
  /// - Parameter reason: why, such as "as 'pixel_mean' and 'pixel_std' have it".
  public static func preprocessing(_ preprocessing: Preprocessing, _ reason: String? = nil) -> ImportAssumption {
    func list(_ values: [Float]) -> String { values.map { "\($0)" }.joined(separator: ",") }
    return ImportAssumption(
      "pixels of 0...1 are normalised with mean \(list(preprocessing.mean)) and standard deviation "
        + list(preprocessing.std) + (reason.map { ", \($0)" } ?? ""), option: preprocessingOption)
  }
}

/// The image size that a network's input is declared with.
public struct FixedImageSize: Sendable, Hashable {
  /// In pixels.
  public let height: Int
  public let width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }
}
