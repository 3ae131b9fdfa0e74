import ArgumentParser
import Conversion

/// How a whitening is learned.
struct WhiteningParameters: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Keep only the first components of whitened embeddings, those with the largest variance. The classifier goes on "
        + "reading the whole vector. (default: all)", valueName: "n"),
    transform: wholeNumber(1...Int.max))
  var dimensions: Int?

  @Option(
    help: ArgumentHelp(
      "Raise smaller variances to this share of the largest before dividing by them. (default: 1e-10 with more images "
        + "than dimensions, otherwise the mean over the directions in which the images differ)", valueName: "share"),
    transform: number("above 0 and at most 1") { $0 > 0 && $0 <= 1 })
  var varianceFloor: Double?

  var isEmpty: Bool { dimensions == nil && varianceFloor == nil }

  func options(_ folder: String) -> WhiteningOptions {
    WhiteningOptions(folder: folder, dimensions: dimensions, varianceFloor: varianceFloor)
  }
}

/// Whether a conversion whitens the network first, and how.
struct WhiteningStageOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Whiten embeddings by PCA, learned from the images of a folder at the first size, as 'quern whiten' does, and "
        + "convert the whitened network. (default: not whitened)", valueName: "folder"), completion: .directory)
  var whiten: String?

  @OptionGroup var parameters: WhiteningParameters

  mutating func validate() throws {
    try parameters.validate()
    if whiten == nil, !parameters.isEmpty {
      throw ValidationError("--dimensions and --variance-floor need --whiten")
    }
  }

  /// The folders that images are read from.
  var folders: [String] { [whiten].compactMap(\.self) }

  /// `nil`: the network is not whitened.
  var options: WhiteningOptions? { whiten.map(parameters.options) }
}
