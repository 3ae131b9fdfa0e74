import ArgumentParser
import Graphs
import Images
import Kernels
import Pipeline

/// What every command takes.
struct CommonOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Threads to use; the results do not depend on it. (default: all cores)", valueName: "n"))
  var threads: Int?

  @Flag(name: .shortAndLong, help: "No progress and no warnings.")
  var quiet = false

  @Flag(help: "Print one JSON object on stdout instead of text.")
  var json = false

  var threadCount: Int { threads ?? ThreadTeam.availableProcessors }
  var progress: ProgressLine { ProgressLine(quiet: quiet) }

  mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads must be from 1 to 1024") }
  }
}

/// How images become inputs.
struct EvaluationOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Side of the images in pixels.", valueName: "pixels"))
  var size: Int?

  @Option(
    help: ArgumentHelp(
      "square: short side to 256/224 of the size, then a centre crop; rect: long side to the size, nothing cut off.",
      valueName: "square|rect"))
  var crop: CropProtocol?

  mutating func validate() throws {
    if let size, !(1...8192).contains(size) { throw ValidationError("--size must be from 1 to 8192") }
  }

  /// What was asked for; otherwise what a package was converted for; otherwise 224 square.
  func evaluation(for model: ModelFile? = nil) throws -> EvaluationProtocol {
    let info = model?.package?.info
    let stored: CropProtocol? = info.map { $0.crop == .rect ? .rect : .square }
    return try EvaluationProtocol(crop: crop ?? stored ?? .square, size: size ?? info?.imageSize ?? 224)
  }
}

extension CropProtocol: ExpressibleByArgument {}

/// What of the network may be overridden.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "GeM exponent p; 1 is average pooling, inf is maximum pooling. (default: the checkpoint's, or 3)", valueName: "p")
  )
  var poolingExponent: Double?

  @Option(help: ArgumentHelp("Mean of R,G,B in 0...1 to subtract. (default: the architecture's)", valueName: "r,g,b"))
  var mean: RGBTriple?

  @Option(help: ArgumentHelp("Standard deviation of R,G,B to divide by.", valueName: "r,g,b"))
  var std: RGBTriple?

  @Option(
    help: ArgumentHelp(
      "The value of an ONNX model that is the embedding, normalised or not. (default: found by name or by structure)",
      valueName: "name"))
  var embeddingOutput: String?

  @Option(help: ArgumentHelp("The value of an ONNX model that is the logits.", valueName: "name"))
  var logitsOutput: String?

  mutating func validate() throws {
    if let poolingExponent, !(poolingExponent > 0) { throw ValidationError("--pooling-exponent must be positive") }
    if (mean == nil) != (std == nil) { throw ValidationError("--mean and --std must be given together") }
    if let std, !std.values.allSatisfy({ $0 > 0 }) { throw ValidationError("--std must be positive") }
  }

  var options: ModelFile.Options {
    var preprocessing: Preprocessing?
    if let mean, let std { preprocessing = Preprocessing(mean: mean.values, std: std.values) }
    return ModelFile.Options(
      poolingExponent: poolingExponent, preprocessing: preprocessing, embeddingOutput: embeddingOutput,
      logitsOutput: logitsOutput)
  }
}

/// Three numbers, "0.5,0.5,0.5".
struct RGBTriple: ExpressibleByArgument {
  let values: [Float]

  init?(argument: String) {
    let values = argument.split(separator: ",", omittingEmptySubsequences: false).compactMap { Float($0) }
    guard values.count == 3, values.allSatisfy(\.isFinite), argument.filter({ $0 == "," }).count == 2 else {
      return nil
    }
    self.values = values
  }
}
