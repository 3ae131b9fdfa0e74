import ArgumentParser
import Conversion
import Graphs
import Images
import Inference
import ModelImport
import PackageFormat
import Threads

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Threads to use; the results do not depend on it. (default: all cores)", valueName: "n"))
  var threads: Int?

  @Flag(
    name: .shortAndLong, help: "No progress, and no warnings but those that put a result in doubt.")
  var quiet = false

  @Flag(help: "Print one JSON object on stdout instead of text.")
  var json = false

  var threadCount: Int { threads ?? ThreadTeam.availableProcessors }
  var progress: ProgressLine { ProgressLine(quiet: quiet) }

  /// Says what puts a result in doubt on stderr, even if nothing else is to be said there, unless a person reads it on the same
  /// terminal in the result's text.
  func warn(_ warnings: [String]) {
    guard json || !Terminal.showsBoth else { return }
    for warning in warnings { Terminal.complain("warning: \(warning)") }
  }

  mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads must be from 1 to 1024") }
  }
}

extension ArgumentHelp {
  fileprivate static let crop = ArgumentHelp(
    "square: short side to the size divided by the crop ratio, then a centre crop; rect: long side to the size, nothing cut "
      + "off.",
    valueName: "square|rect")
}

/// How images are resized; what is not given is a package's, or the default.
struct ResizingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The filter that images are resized by, Pillow's with antialiasing: bilinear, bicubic or lanczos. (default: a "
        + "package's, or bilinear)", valueName: "filter"))
  var resize: ResizeFilter?

  @Option(
    help: ArgumentHelp(
      "What a square crop keeps of the resized image's short side, as a number or a fraction of pixels: 0.95 or 224/232. "
        + "(default: a package's, or 224/256)", valueName: "ratio"))
  var cropRatio: CropRatio?

  func request(sizes: [ResolutionRequest.Size], crop: CropProtocol?) -> ResolutionRequest {
    ResolutionRequest(sizes: sizes, crop: crop, filter: resize, cropRatio: cropRatio?.value)
  }
}

extension ResizeFilter: ExpressibleByArgument {}
extension ChannelOrder: ExpressibleByArgument {}

/// "0.95", or "224/232": of 232 pixels 224 are kept.
struct CropRatio: ExpressibleByArgument {
  let value: Double

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    var ratio: Double
    if parts.count == 2, let part = Int(parts[0]), let whole = Int(parts[1]), part > 0, part <= whole, whole <= 1 << 20
    {
      ratio = Double(part) / Double(whole)
      // Truncation must not lose a pixel of the fraction itself.
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

/// How images become inputs.
struct EvaluationOptions: ParsableArguments {
  @Option(
    name: .customLong("size"),
    help: ArgumentHelp(
      "Side of the images in pixels, and after a colon the GeM exponent to use, as in 500:4. A package has an exponent for "
        + "each size that it was converted for. (default: the package's first, or the size that an ONNX model fixes, or 224)",
      valueName: "pixels[:p]"))
  var sizes: [ResolutionRequest.Size] = []

  @Option(help: .crop) var crop: CropProtocol?
  @OptionGroup var resizing: ResizingOptions

  mutating func validate() throws {
    if sizes.count > 1 { throw ValidationError("--size can be given once here; only convert and verify take several") }
    try sizes.first?.validate()
  }

  var request: ResolutionRequest { resizing.request(sizes: sizes, crop: crop) }

  /// Opens a model for images as they were given, otherwise as a package was converted for or a checkpoint fixes them,
  /// otherwise of 224 square; GeM pools by the exponent that belongs to the size.
  ///
  /// - Parameter progress: is told where a package says nothing of such images, and where a checkpoint is made for others.
  func open(
    _ path: String, _ network: ModelOptions, progress: some ProgressObserver
  ) throws -> (model: ModelFile, evaluation: EvaluationProtocol) {
    var model = try ModelFile.open(path, options: network.options)
    progress.state(model.assumptions)
    let fixedSide = sizes.isEmpty ? try model.fixedImageSize?.side(of: path) : nil
    let resolution = try request.resolutions(
      of: model.info, fixedSide: fixedSide, poolingExponent: network.poolingExponent)[0]
    try model.serve(resolution)
    if let remark = model.remark(on: resolution) { progress.warn(remark) }
    if let warning = model.fixedImageSize?.warning(at: resolution.evaluation) { progress.warn(warning) }
    return (model, resolution.evaluation)
  }
}

/// How images become inputs where there may be several sizes.
struct SizesOptions: ParsableArguments {
  @Option(
    name: .customLong("size"),
    help: ArgumentHelp(
      "Side of the images in pixels, and after a colon the GeM exponent for this size, as in 500:4. May be given several "
        + "times; the first is what a package is used at unless told otherwise. (default: a package's sizes, or the size that an "
        + "ONNX model fixes, or 224)",
      valueName: "pixels[:p]"))
  var sizes: [ResolutionRequest.Size] = []

  @Option(help: .crop) var crop: CropProtocol?
  @OptionGroup var resizing: ResizingOptions

  mutating func validate() throws {
    for size in sizes { try size.validate() }
    let sides = sizes.map(\.side)
    if let twice = sides.first(where: { side in sides.count { $0 == side } > 1 }) {
      throw ValidationError("--size \(twice) is given twice")
    }
    if sizes.count > 16 { throw ValidationError("at most 16 sizes can be given by --size") }
  }

  var request: ResolutionRequest { resizing.request(sizes: sizes, crop: crop) }
}

extension ResolutionRequest.Size: ExpressibleByArgument {
  /// "500", or "500:4".
  package init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
    guard let side = parts.first.flatMap({ Int($0) }), parts.count <= 2 else { return nil }
    self.init(side: side)
    if parts.count == 2 {
      guard let exponent = Double(parts[1]), exponent > 0 else { return nil }
      poolingExponent = exponent
    }
  }

  fileprivate func validate() throws {
    if !(1...8192).contains(side) { throw ValidationError("--size must be from 1 to 8192") }
  }
}

extension CropProtocol: ExpressibleByArgument {}

/// What of the network may be overridden.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "GeM exponent p for sizes without one of their own; 1 is average pooling, inf is maximum pooling. (default: the "
        + "package's for the size, or the checkpoint's; without one 1 if there is a classifier, else 3)", valueName: "p"
    )
  )
  var poolingExponent: Double?

  @Option(
    help: ArgumentHelp(
      "Mean of R,G,B in 0...1 to subtract. (default: the checkpoint's, or else the architecture's)", valueName: "r,g,b")
  )
  var mean: RGBTriple?

  @Option(help: ArgumentHelp("Standard deviation of R,G,B to divide by.", valueName: "r,g,b"))
  var std: RGBTriple?

  @Option(
    help: ArgumentHelp(
      "The order of the channels that the network of a checkpoint takes: rgb or bgr. It is made to take RGB. --mean and "
        + "--std are in the order R,G,B in either case. (default: rgb)", valueName: "order"))
  var channelOrder: ChannelOrder?

  @Option(
    help: ArgumentHelp(
      "The value of an ONNX model that is the embedding, normalised or not. (default: found by name or by structure)",
      valueName: "name"))
  var embeddingOutput: String?

  @Option(
    help: ArgumentHelp(
      "The value of an ONNX model, or the linear layer of a checkpoint, that is the logits; none leaves a checkpoint's "
        + "out.", valueName: "name"))
  var logitsOutput: String?

  @Option(
    help: ArgumentHelp(
      "Which of a checkpoint's networks to read: a key or module that leads to it, such as model_ema or encoder_q; . is "
        + "the top.", valueName: "key"))
  var state: String?

  @Option(
    help: ArgumentHelp(
      "The convolution of a ResNet's bottleneck that has its stride. (default: as the architecture's authors have it)",
      valueName: "conv1|conv2"))
  var strideIn: StructureOptions.BottleneckStride?

  @Option(
    help: ArgumentHelp(
      "Stride of a ResNet's first convolution, and whether a max pooling follows: 1, 2, 1+pool or 2+pool. (default: "
        + "2+pool for 7x7, 1 for 3x3)", valueName: "stem"))
  var stem: StructureOptions.Stem?

  @Option(
    help: ArgumentHelp(
      "Pixels of the image for one of a ResNet's last map: 8, 16 or 32; below 32 the last stages are dilated instead of "
        + "halving the map.", valueName: "n"))
  var outputStride: Int?

  @Option(help: ArgumentHelp("Stride of a ResNet's last stage, without dilation: 1 or 2.", valueName: "n"))
  var lastStride: Int?

  @Option(help: ArgumentHelp("What a checkpoint's batch norms add to the variance.", valueName: "x"))
  var bnEpsilon: Double?

  mutating func validate() throws {
    if let poolingExponent, !(poolingExponent > 0) { throw ValidationError("--pooling-exponent must be positive") }
    // What is wrong with the values comes first: who mixes up their scale is not helped by what is said of the pair.
    try mean?.validate("--mean", allowsZero: true)
    try std?.validate("--std", allowsZero: false)
    if (mean == nil) != (std == nil) { throw ValidationError("--mean and --std must be given together") }
    if let outputStride, ![8, 16, 32].contains(outputStride) {
      throw ValidationError("--output-stride must be 8, 16 or 32")
    }
    if let lastStride, ![1, 2].contains(lastStride) { throw ValidationError("--last-stride must be 1 or 2") }
    if outputStride != nil, lastStride != nil {
      throw ValidationError("--output-stride and --last-stride exclude each other")
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
    var options = ModelFile.Options(
      poolingExponent: poolingExponent, preprocessing: preprocessing, embeddingOutput: embeddingOutput,
      logitsOutput: logitsOutput, state: state, structure: structure)
    options.channelOrder = channelOrder
    return options
  }
}

extension StructureOptions.BottleneckStride: ExpressibleByArgument {}

extension StructureOptions.Stem: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
