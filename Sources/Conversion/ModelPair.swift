import Checkpoints
import Fidelity
import Graphs
import Images
import Inference
import ModelImport
import PackageFormat

/// Two models to be compared, opened so that they look at images alike: each a package, or a checkpoint in float.
struct ModelPair {
  let model: ModelFile
  let reference: ModelFile
  /// For the checkpoints among them.
  private let channelOrder: ChannelOrder

  /// - Parameter options: for the checkpoints; what they leave open is that of the package, where there is one.
  init(_ path: String, reference referencePath: String, options: ModelFile.Options) throws {
    let isPackage = (try ModelFile.isPackage(path), try ModelFile.isPackage(referencePath))
    // All but the exponent says how a checkpoint is read.
    let packageOptions = ModelFile.Options(poolingExponent: options.poolingExponent)
    let packages = (
      isPackage.0 ? try ModelFile.openPackage(path, options: packageOptions) : nil,
      isPackage.1 ? try ModelFile.openPackage(referencePath, options: packageOptions) : nil
    )
    // A checkpoint must pool, and see images, as the package does, whatever it says itself.
    var floatOptions = options
    if let package = packages.0 ?? packages.1 {
      floatOptions.poolingExponent = options.poolingExponent ?? package.graph.poolingExponent
      floatOptions.channelOrder = try options.channelOrder ?? package.storedChannelOrder()
    }
    channelOrder = floatOptions.channelOrder ?? .rgb
    let preprocessing =
      options.preprocessing == nil ? (packages.0 ?? packages.1).map { $0.graph.preprocessing } : nil
    func checkpoint(_ path: String) throws -> ModelFile {
      try ModelFile.openCheckpoint(path, options: floatOptions, preprocessingOfPackage: preprocessing)
    }
    model = try packages.0 ?? checkpoint(path)
    reference = try packages.1 ?? checkpoint(referencePath)
  }

  /// The package whose sizes, crop and exponents count.
  private var package: ModelFile? { [model, reference].first { $0.package != nil } }

  /// Those of the two that are checkpoints.
  var checkpoints: [ModelFile] { [model, reference].filter { $0.package == nil } }

  /// What reading the checkpoints took for granted; a package says how pixels are normalised.
  var assumptions: [ImportAssumption] {
    checkpoints.flatMap(\.assumptions).filter { package == nil || $0.option != ImportAssumption.preprocessingOption }
  }

  /// Which classes the folders of images stand for.
  func labels(of folder: ImageFolder) throws -> ClassLabels {
    if let package = model.package ?? reference.package {
      let (names, classes) = (package.labels, package.info.classCount)
      guard names.isEmpty, let file = checkpoints.first(where: { $0.classNames.count == classes }) else {
        return ClassLabels(folder, classCount: classes, stored: names, of: "the package")
      }
      return ClassLabels(folder, classCount: classes, stored: file.classNames, of: "the checkpoint")
    }
    let side = model.fixedImageSize?.height ?? 224
    let shapes = try model.graph.inferShapes(input: [1, side, side, 3])
    let classes = model.graph.width(ofOutput: GraphOutput.logits, shapes)
    let named = [model, reference].first { $0.classNames.count == classes }
    return ClassLabels(folder, classCount: classes, stored: named?.classNames ?? [], of: "the checkpoint")
  }

  /// - Throws: `ConversionError.option` where images of this size are too small for one of them.
  func checkSize(_ side: Int) throws {
    for file in [model, reference] { try file.checkSize(side) }
  }

  /// Those that were requested, or else those of the package, with the package's exponent for each unless another is
  /// requested; without a package the size that a model fixes, or 224 pixels. At least one.
  func resolutions(_ requested: Verification) throws -> [Resolution] {
    let exponent = requested.model.poolingExponent
    let resolutions = try requested.resolution.resolutions(
      of: package?.info, fixedSide: package == nil && requested.resolution.sizes.isEmpty ? try fixedSide() : nil,
      poolingExponent: exponent)
    guard let package else { return resolutions }
    return try resolutions.map { resolution in
      var served = package
      try served.serve(resolution)
      return Resolution(resolution.evaluation, poolingExponent: served.graph.poolingExponent)
    }
  }

  /// The side that one of them fixes; `nil` where both take any.
  private func fixedSide() throws -> Int? {
    try [model, reference].lazy.compactMap { file in try file.fixedImageSize?.side(of: file.path) }.first
  }

  /// Holds the float network among them to its framework.
  ///
  /// - Parameter network: the reference.
  /// - Throws: `ConversionError.option` where there is a golden file and both are packages.
  func check(
    _ options: ReferenceOptions, _ network: FloatNetwork, _ resolutions: [Resolution], _ files: [ImageFolder.File],
    threads: Int, progress: any ProgressObserver
  ) throws -> ReferenceCheck? {
    guard let float = [reference, model].first(where: { $0.package == nil }) else {
      if options.goldenFile != nil {
        throw ConversionError.option(
          "--golden is for a float network, and both models are packages; see 'quern compare'")
      }
      return nil
    }
    let stage = ReferenceStage(
      options: options, path: float.path, model: float.network,
      normalization: float.sourcePreprocessing ?? float.graph.preprocessing, channelOrder: channelOrder,
      threads: threads)
    let checked = float.path == reference.path ? network : FloatNetwork(float.graph, threads: threads)
    return try stage.run(checked, resolutions, files: files, progress: progress)
  }

  /// What a reader should know: for what a package has no figures, and which roles the two have if they are not a package
  /// and a checkpoint.
  func remarks(_ resolutions: [Resolution]) -> [String] {
    let remarks = [model, reference].flatMap { file in resolutions.compactMap(file.remark) }
    guard model.package == nil || reference.package != nil else { return remarks }
    func kind(_ file: ModelFile) -> String {
      file.package == nil ? "a checkpoint in float (\(file.format))" : "a package"
    }
    return [
      "the figures named 'float' are the reference's, which is \(kind(reference)); those named 'int8' are the model's, which "
        + "is \(kind(model))"
    ] + remarks
  }
}

extension ModelFile {
  /// The order of channels of the checkpoint that a package was made from; `nil` where it is not recorded.
  fileprivate func storedChannelOrder() throws -> ChannelOrder? {
    guard let package, let metadata = PackageMetadata(json: try package.metadataText()),
      case .string(let name)? = metadata.fidelity?.settings["channel_order"]
    else { return nil }
    return ChannelOrder(rawValue: name)
  }
}
