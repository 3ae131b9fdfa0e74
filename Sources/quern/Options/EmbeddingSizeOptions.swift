import ArgumentParser
import Conversion
import Pixels

/// How images become inputs of the network, for commands that run it at one size or, in one pass, at several.
struct EmbeddingSizeOptions: ParsableArguments {
  @Option(
    name: .customLong("size"),
    help: ArgumentHelp(
      "Side of the images in pixels, optionally followed by a colon and the GeM exponent, as in 500:4. A package has "
        + "an exponent for each size that it was converted for. Can be repeated: each image is decoded once, and there "
        + "is a file for each size. (default: the package's first size, or the size that an ONNX model fixes, or 224)",
      valueName: "pixels[:p]"))
  var sizes: [ResolutionRequest.Size] = []

  @Option(help: .crop) var crop: CropProtocol?
  @OptionGroup var resizing: ResizingOptions

  mutating func validate() throws { try SizesOptions.validate(sizes) }

  var request: ResolutionRequest { resizing.request(sizes: sizes, crop: crop) }
}

extension ResolutionRequest {
  /// Opens a model for images of the sizes and crop that are given. If these are not given, they are the first ones
  /// that the package was converted for or that the checkpoint fixes, and 224 pixels square otherwise.
  ///
  /// - Parameter progress: receives the assumptions, and a warning if a package has no figures for such images, or if a
  ///   checkpoint is made for others.
  /// - Returns: the model, which does not serve a resolution yet, and the resolutions, at least one.
  /// - Throws: what opening the model throws; `ConversionError.option` for an exponent without GeM;
  ///   `ImageError.invalidGeometry` for a size that no image can have.
  func open(
    _ path: String, _ network: ModelOptions, progress: some ProgressObserver
  ) throws -> (model: ModelFile, resolutions: [Resolution]) {
    var options = network.options
    options.imageSides = sizes.map(\.side)
    let model = try ModelFile.open(path, options: options)
    progress.state(model.assumptions)
    let all = try resolutions(
      of: model.info, fixedSide: try model.fixedImageSize?.side(of: path), poolingExponent: network.poolingExponent)
    let resolutions = sizes.isEmpty ? Array(all.prefix(1)) : all
    for resolution in resolutions {
      var served = model
      try served.serve(resolution)
      if let remark = served.remark(on: resolution) { progress.warn(remark) }
      if let warning = model.fixedImageSize?.warning(at: resolution.evaluation) { progress.warn(warning) }
    }
    return (model, resolutions)
  }
}
