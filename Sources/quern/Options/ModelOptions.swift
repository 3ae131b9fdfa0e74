import ArgumentParser
import Conversion
import Graphs
import ModelImport

/// The properties of a network that can be overridden.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "GeM exponent p for sizes that have none; 1 is average pooling, inf is maximum pooling. (default: the exponent "
        + "of the package for the size, or of the checkpoint; otherwise 1 if there is a classifier, and 3 if not)",
      valueName: "p"),
    transform: number("above 0, or inf", allowsInfinity: true) { $0 > 0 })
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
        + "dilated instead of halving the map. (default: no dilation)", valueName: "n"),
    transform: wholeNumber(among: [8, 16, 32]))
  var outputStride: Int?

  @Option(
    help: ArgumentHelp("Stride of a ResNet's last stage, without dilation: 1 or 2. (default: 2)", valueName: "n"),
    transform: wholeNumber(among: [1, 2]))
  var lastStride: Int?

  @Option(
    help: ArgumentHelp(
      "The epsilon that a checkpoint's batch norms add to the variance. (default: the architecture's)", valueName: "x"),
    transform: number("above 0 and below 1") { $0 > 0 && $0 < 1 })
  var bnEpsilon: Double?

  @Option(
    help: ArgumentHelp(
      "How the strided layers of a MobileNet, EfficientNet or NASNet pad: same as in TensorFlow, or symmetric. (default: "
        + "as in the library whose names the tensors have)", valueName: "same|symmetric"))
  var padding: StructureOptions.Padding?

  @Option(
    help: ArgumentHelp(
      "The activation function of a MobileNet or EfficientNet: relu, relu6, silu or hard-swish. (default: the "
        + "architecture's)", valueName: "function"))
  var activation: StructureOptions.Activation?

  mutating func validate() throws {
    // Wrong values are reported before a missing option: whoever mixed up their scale needs to know that first.
    try mean?.validate("--mean", allowsZero: true)
    try std?.validate("--std", allowsZero: false)
    if (mean == nil) != (std == nil) { throw ValidationError("--mean and --std must be given together") }
    if outputStride != nil, lastStride != nil {
      throw ValidationError("--output-stride and --last-stride cannot be combined")
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

extension ChannelOrder: ExpressibleByArgument {}
extension StructureOptions.BottleneckStride: ExpressibleByArgument {}
extension StructureOptions.Padding: ExpressibleByArgument {}
extension StructureOptions.Activation: ExpressibleByArgument {}

extension StructureOptions.Stem: ExpressibleByArgument {
  package init?(argument: String) { self.init(argument) }
}
