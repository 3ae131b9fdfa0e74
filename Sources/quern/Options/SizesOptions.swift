import ArgumentParser
import Conversion
import Images
import Pixels

/// How images become inputs of the network.
struct EvaluationOptions: ParsableArguments {
  @Option(
    name: .customLong("size"),
    help: ArgumentHelp(
      "Side of the images in pixels, optionally followed by a colon and the GeM exponent, as in 500:4. A package has "
        + "an exponent for each size that it was converted for. (default: the package's first size, or the size that "
        + "an ONNX model fixes, or 224)",
      valueName: "pixels[:p]"))
  var sizes: [ResolutionRequest.Size] = []

  @Option(help: .crop) var crop: CropProtocol?
  @OptionGroup var resizing: ResizingOptions

  mutating func validate() throws {
    if sizes.count > 1 {
      throw ValidationError("--size can be given only once here; convert, plan, verify and embed take several sizes")
    }
    try sizes.first?.validate()
  }

  var request: ResolutionRequest { resizing.request(sizes: sizes, crop: crop) }

  /// Opens a model for images of the given size and crop. If these are not given, they are those that the package was
  /// converted for or that the checkpoint fixes, and 224 pixels square otherwise. GeM pools by the exponent that
  /// belongs to the size.
  ///
  /// - Parameter progress: receives the assumptions, and a warning if a package has no figures for such images, or if a
  ///   checkpoint is made for others.
  /// - Throws: what opening the model throws; `ConversionError.option` for an exponent without GeM;
  ///   `ImageError.invalidGeometry` for a size that no image can have.
  func open(
    _ path: String, _ network: ModelOptions, progress: some ProgressObserver
  ) throws -> (model: ModelFile, evaluation: EvaluationProtocol) {
    var (model, resolutions) = try request.open(path, network, progress: progress)
    try model.serve(resolutions[0])
    return (model, resolutions[0].evaluation)
  }
}

/// How images become inputs of the network, for commands that take several sizes.
struct SizesOptions: ParsableArguments {
  @Option(
    name: .customLong("size"),
    help: ArgumentHelp(
      "Side of the images in pixels, optionally followed by a colon and the GeM exponent for this size, as in 500:4, "
        + "or 500:auto, for which convert and plan choose it on the calibration images (see 'quern tune'). Can be "
        + "repeated; a package is used at the first size by default. (default: the package's sizes, or the size "
        + "that an ONNX model fixes, or 224)",
      valueName: "pixels[:p|:auto]"))
  var sizes: [ResolutionRequest.Size] = []

  @Option(help: .crop) var crop: CropProtocol?
  @OptionGroup var resizing: ResizingOptions

  mutating func validate() throws { try Self.validate(sizes) }

  /// Checks sizes that are given by an option that can be repeated.
  static func validate(_ sizes: [ResolutionRequest.Size]) throws {
    for size in sizes { try size.validate() }
    let sides = sizes.map(\.side)
    if let twice = sides.first(where: { side in sides.count { $0 == side } > 1 }) {
      throw ValidationError("--size \(twice) is given twice")
    }
    if sizes.count > 16 { throw ValidationError("--size can be given at most 16 times") }
  }

  var request: ResolutionRequest { resizing.request(sizes: sizes, crop: crop) }
}

extension ResolutionRequest.Size: ExpressibleByArgument {
  /// Parses "500", "500:4", or "500:auto".
  package init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard let side = parts.first.flatMap({ Int($0) }), parts.count <= 2 else { return nil }
    self.init(side: side)
    if parts.count == 2, parts[1] == "auto" {
      choosesExponent = true
    } else if parts.count == 2 {
      guard let exponent = Double(parts[1]), exponent > 0 else { return nil }
      poolingExponent = exponent
    }
  }

  fileprivate func validate() throws {
    if !(1...8192).contains(side) { throw ValidationError("--size must be from 1 to 8192") }
  }
}
