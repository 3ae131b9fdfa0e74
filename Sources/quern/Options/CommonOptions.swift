import ArgumentParser
import Conversion
import Graphs
import Images
import Inference
import ModelImport
import PackageFormat
import Threads

/// The options that every command takes.
struct CommonOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Number of threads; results do not depend on it. (default: all cores)", valueName: "n"))
  var threads: Int?

  @Flag(
    name: .shortAndLong,
    help: "Show no progress and no notes, and only those warnings that put a result in doubt. The report is printed.")
  var quiet = false

  @Flag(help: "Print one JSON object on stdout instead of text.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Read options and gates from a TOML file; options of the command line replace them. (default: quern.toml in the "
        + "working directory, if there is one)", valueName: "file.toml"))
  var config: String?

  @Flag(help: "Read no configuration file.")
  var noConfig = false

  var threadCount: Int { threads ?? ThreadTeam.availableProcessors }
  var progress: ProgressLine { ProgressLine(quiet: quiet) }

  /// Prints warnings that put a result in doubt to stderr, even with --quiet, unless the user reads them on the same
  /// terminal in the text of the result.
  func warn(_ warnings: [String]) {
    guard json || !Terminal.showsBoth else { return }
    for warning in warnings { Terminal.complain("warning: \(warning)") }
  }

  mutating func validate() throws {
    if config != nil, noConfig { throw ValidationError("--config and --no-config cannot be combined") }
    if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads must be from 1 to 1024") }
  }
}

extension ArgumentHelp {
  static let crop = ArgumentHelp(
    "square: resize the short side to the size divided by the crop ratio, then crop the centre. rect: resize the long "
      + "side to the size, and crop nothing. (default: the package's crop, or square)",
    valueName: "square|rect")
}

/// How images are resized. Options that are not given have the value of the package, or the default.
struct ResizingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The filter for resizing images, as in Pillow with antialiasing: bilinear, bicubic or lanczos. (default: the "
        + "package's filter, or bilinear)", valueName: "filter"))
  var resize: ResizeFilter?

  @Option(
    help: ArgumentHelp(
      "The share of the resized image's short side that a square crop keeps, as a number or a fraction of pixels: 0.95 "
        + "or 224/232. (default: the package's ratio, or 224/256)", valueName: "ratio"))
  var cropRatio: CropRatio?

  func request(sizes: [ResolutionRequest.Size], crop: CropProtocol?) -> ResolutionRequest {
    ResolutionRequest(sizes: sizes, crop: crop, filter: resize, cropRatio: cropRatio?.value)
  }
}

extension ResizeFilter: ExpressibleByArgument {}
extension ChannelOrder: ExpressibleByArgument {}

/// A crop ratio: "0.95", or "224/232" to keep 224 of 232 pixels.
struct CropRatio: ExpressibleByArgument {
  let value: Double

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    var ratio: Double
    if parts.count == 2, let part = Int(parts[0]), let whole = Int(parts[1]), part > 0, part <= whole, whole <= 1 << 20
    {
      ratio = Double(part) / Double(whole)
      // `EvaluationProtocol` truncates the quotient, which must not lose a pixel of the fraction itself.
      while Int(Double(part) / ratio) < whole { ratio = ratio.nextDown }
    } else if parts.count == 1, let number = Double(argument) {
      ratio = number
    } else {
      return nil
    }
    guard EvaluationProtocol.cropRatios.contains(ratio) else { return nil }
    value = ratio
  }
}

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

extension CropProtocol: ExpressibleByArgument {}

/// The properties of a network that can be overridden.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "GeM exponent p for sizes that have none; 1 is average pooling, inf is maximum pooling. (default: the exponent "
        + "of the package for the size, or of the checkpoint; otherwise 1 if there is a classifier, and 3 if not)",
      valueName: "p"
    )
  )
  var poolingExponent: Double?

  @Option(
    help: ArgumentHelp(
      "Mean of R,G,B in 0...1 to subtract. (default: the checkpoint's, or the architecture's)", valueName: "r,g,b")
  )
  var mean: RGBTriple?

  @Option(
    help: ArgumentHelp(
      "Standard deviation of R,G,B to divide by. (default: the checkpoint's, or the architecture's)",
      valueName: "r,g,b"))
  var std: RGBTriple?

  @Option(
    help: ArgumentHelp(
      "The channel order that the checkpoint's network takes: rgb or bgr. The converted network takes RGB. --mean and "
        + "--std are in the order R,G,B in either case. (default: rgb)", valueName: "order"))
  var channelOrder: ChannelOrder?

  @Option(
    help: ArgumentHelp(
      "Name of the ONNX tensor that holds the embedding, normalised or not. (default: found by its name or by "
        + "structure)",
      valueName: "name"))
  var embeddingOutput: String?

  @Option(
    help: ArgumentHelp(
      "Name of the ONNX tensor that holds the logits, or of the linear layer of a checkpoint that computes them; none "
        + "drops the classifier of a checkpoint. (default: found by its name or by structure)", valueName: "name"))
  var logitsOutput: String?

  @Option(
    help: ArgumentHelp(
      "Which of a checkpoint's networks to read: a key or module that leads to it, such as model_ema or encoder_q; . "
        + "is the top level. (default: the only network, if there is one)", valueName: "key"))
  var state: String?

  @Option(
    help: ArgumentHelp(
      "The convolution of a ResNet's bottleneck that has the stride. (default: as in the architecture's original "
        + "implementation)",
      valueName: "conv1|conv2"))
  var strideIn: StructureOptions.BottleneckStride?

  @Option(
    help: ArgumentHelp(
      "Stride of a ResNet's first convolution, and whether max pooling follows: 1, 2, 1+pool or 2+pool. (default: "
        + "2+pool for a 7x7 convolution, 1 for 3x3)", valueName: "stem"))
  var stem: StructureOptions.Stem?

  @Option(
    help: ArgumentHelp(
      "Ratio of the image's side to the side of a ResNet's last map: 8, 16 or 32. Below 32, the last stages are "
        + "dilated instead of halving the map. (default: no dilation)", valueName: "n"))
  var outputStride: Int?

  @Option(
    help: ArgumentHelp("Stride of a ResNet's last stage, without dilation: 1 or 2. (default: 2)", valueName: "n"))
  var lastStride: Int?

  @Option(
    help: ArgumentHelp(
      "The epsilon that a checkpoint's batch norms add to the variance. (default: the architecture's)", valueName: "x"))
  var bnEpsilon: Double?

  @Option(
    help: ArgumentHelp(
      "How the strided convolutions of a MobileNet or EfficientNet pad: same as in TensorFlow, or symmetric. (default: "
        + "as in the library whose names the tensors have)", valueName: "same|symmetric"))
  var padding: StructureOptions.Padding?

  @Option(
    help: ArgumentHelp(
      "The activation function of a MobileNet or EfficientNet: relu, relu6, silu or hard-swish. (default: the "
        + "architecture's)", valueName: "function"))
  var activation: StructureOptions.Activation?

  mutating func validate() throws {
    if let poolingExponent, !(poolingExponent > 0) { throw ValidationError("--pooling-exponent must be positive") }
    // Wrong values are reported before a missing option: whoever mixed up their scale needs to know that first.
    try mean?.validate("--mean", allowsZero: true)
    try std?.validate("--std", allowsZero: false)
    if (mean == nil) != (std == nil) { throw ValidationError("--mean and --std must be given together") }
    if let outputStride, ![8, 16, 32].contains(outputStride) {
      throw ValidationError("--output-stride must be 8, 16 or 32")
    }
    if let lastStride, ![1, 2].contains(lastStride) { throw ValidationError("--last-stride must be 1 or 2") }
    if outputStride != nil, lastStride != nil {
      throw ValidationError("--output-stride and --last-stride cannot be combined")
    }
    if let bnEpsilon, !(bnEpsilon > 0 && bnEpsilon < 1) {
      throw ValidationError("--bn-epsilon must be between 0 and 1")
    }
  }

  var options: ModelFile.Options {
    var preprocessing: Preprocessing?
    if let mean, let std { preprocessing = Preprocessing(mean: mean.values, std: std.values) }
    var structure = StructureOptions()
    structure.bottleneckStride = strideIn
    structure.stem = stem
    structure.outputStride = outputStride
    structure.lastStride = lastStride
    structure.batchNormEpsilon = bnEpsilon
    structure.padding = padding
    structure.activation = activation
    var options = ModelFile.Options(
      poolingExponent: poolingExponent, preprocessing: preprocessing, embeddingOutput: embeddingOutput,
      logitsOutput: logitsOutput, state: state, structure: structure)
    options.channelOrder = channelOrder
    return options
  }
}

extension StructureOptions.BottleneckStride: ExpressibleByArgument {}
extension StructureOptions.Padding: ExpressibleByArgument {}
extension StructureOptions.Activation: ExpressibleByArgument {}

extension StructureOptions.Stem: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
