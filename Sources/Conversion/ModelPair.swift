import Checkpoints
import Fidelity
import Files
import Graphs
import Images
import Inference
import ModelImport
import Operators
import PackageFormat
import Pixels

/// Two models to be compared, each a package or a checkpoint in float, opened so that both see the same pixels.
struct ModelPair {
  let model: ModelFile
  let reference: ModelFile
  /// The order of channels that the checkpoints among them take.
  private let channelOrder: ChannelOrder

  /// - Parameter options: how to read the checkpoints. Where these leave something open, the package decides, if there
  ///   is one.
  init(_ path: String, reference referencePath: String, options: ModelFile.Options) throws {
    let isPackage = (try ModelFile.isPackage(path), try ModelFile.isPackage(referencePath))
    // All options except the exponent are about reading a checkpoint.
    let packageOptions = ModelFile.Options(poolingExponent: options.poolingExponent)
    let packages = (
      isPackage.0 ? try ModelFile.openPackage(path, options: packageOptions, statesHash: true) : nil,
      isPackage.1 ? try ModelFile.openPackage(referencePath, options: packageOptions, statesHash: true) : nil
    )
    // A checkpoint must pool and take its input as the package does, whatever the file says itself.
    var floatOptions = options
    if let package = packages.0 ?? packages.1 {
      floatOptions.poolingExponent = options.poolingExponent ?? package.graph.poolingExponent
      floatOptions.channelOrder = try options.channelOrder ?? package.storedChannelOrder()
      if options.imageSides.isEmpty { floatOptions.imageSides = package.info?.resolutions.map(\.side) ?? [] }
    }
    channelOrder = floatOptions.channelOrder ?? .rgb
    let preprocessing =
      options.preprocessing == nil ? (packages.0 ?? packages.1).map { $0.graph.preprocessing } : nil
    func checkpoint(_ path: String) throws -> ModelFile {
      try ModelFile.openCheckpoint(
        path, options: floatOptions, preprocessingOfPackage: preprocessing, statesHash: true)
    }
    model = try packages.0 ?? checkpoint(path)
    reference = try packages.1 ?? checkpoint(referencePath)
    if let package = packages.0 ?? packages.1, let file = checkpoints.first, !file.graph.isWhitened,
      try package.wasWhitenedByConversion()
    {
      throw ConversionError.option(
        "\(package.path) was whitened in its conversion, and \(file.path) is not whitened; compare it with the checkpoint "
          + "that 'quern whiten' writes with the same images and options")
    }
  }

  /// Whether one of them is the checkpoint that the other, a package, was made from, with the whitening of the
  /// conversion.
  func checkpointIsWhitenedLikePackage() throws -> Bool {
    guard let origin = checkpoints.first?.whiteningOrigin, let package = package?.package,
      let metadata = try package.statedMetadata(),
      let record = metadata.fidelity?.settings["whitening"]
    else { return false }
    return try metadata.source.sha256 == origin.checkpoint && origin.record == WhiteningFigures.json(record)
  }

  /// The package whose sizes, crop and exponents are used.
  private var package: ModelFile? { [model, reference].first { $0.package != nil } }

  /// The checkpoints among the two models.
  var checkpoints: [ModelFile] { [model, reference].filter { $0.package == nil } }

  /// The assumptions that reading the checkpoints made, except those about preprocessing where a package defines it.
  var assumptions: [ImportAssumption] {
    checkpoints.flatMap(\.assumptions).filter { package == nil || $0.option != ImportAssumption.preprocessingOption }
  }

  /// Matches the class folders of images with the classes of the models.
  ///
  /// - Parameter listed: the names of the classes; `nil`: those that a model stores.
  /// - Throws: `ConversionError.wrongKind` where the list is not one of all classes; `GraphError` for shapes that do
  ///   not fit each other.
  func labels(of folder: ImageFolder, listed: ClassNameList?) throws -> ClassLabels {
    let count: Int
    if let package = model.package ?? reference.package {
      count = package.info.classCount
    } else {
      let side = model.fixedImageSize?.height ?? 224
      count = model.graph.width(
        ofOutput: GraphOutput.logits, try model.graph.inferShapes(input: [1, side, side, 3]))
    }
    let packages = [model, reference].filter { $0.package != nil }
    let named = (packages + checkpoints).first { !$0.classNames.isEmpty && $0.classNames.count == count }
    return ClassLabels(
      folder,
      try ClassNames(
        count, listed: listed, stored: named?.classNames ?? [],
        of: named?.package == nil ? "the checkpoint" : "the package"))
  }

  /// - Throws: `ConversionError.option` where one of them does not take images of this size.
  func checkSize(_ side: Int) throws {
    for file in [model, reference] { try file.checkSize(side) }
  }

  /// The sizes to compare at: those requested, or else those of the package, with the package's exponent for each
  /// unless another is requested. Without a package it is the size that a model fixes, or 224 pixels. At least one.
  func resolutions(_ requested: Verification) throws -> [Resolution] {
    let exponent = requested.model.poolingExponent
    let resolutions = try requested.resolution.resolutions(
      of: package?.info, fixedSide: try fixedSide(),
      poolingExponent: exponent)
    guard let package else { return resolutions }
    return try resolutions.map { resolution in
      var served = package
      try served.serve(resolution)
      return Resolution(resolution.evaluation, poolingExponent: served.graph.poolingExponent)
    }
  }

  /// The side in pixels that one of them fixes; `nil` where both take any size.
  private func fixedSide() throws -> Int? {
    try [model, reference].lazy.compactMap { file in try file.fixedImageSize?.side(of: file.path) }.first
  }

  /// Compares the float network among them with outputs of its framework.
  ///
  /// - Parameter network: the network of the reference.
  /// - Returns: `nil` where there are no such outputs, or both are packages; and which test data was found but is not
  ///   used, a sentence each.
  /// - Throws: `ConversionError.option` where there is a golden file but both are packages.
  func check(
    _ options: ReferenceOptions, _ network: FloatNetwork, _ resolutions: [Resolution], _ files: [ImageFolder.File],
    threads: Int, progress: any ProgressObserver
  ) throws -> (check: ReferenceCheck?, warnings: [String]) {
    guard let float = [reference, model].first(where: { $0.package == nil }) else {
      if options.goldenFile != nil {
        throw ConversionError.option(
          "--golden is for a float network, but both models are packages; see 'quern compare'")
      }
      return (nil, [])
    }
    let stage = ReferenceStage(
      options: options, path: float.path, model: float.network,
      normalization: float.sourcePreprocessing ?? float.graph.preprocessing, channelOrder: channelOrder,
      threads: threads)
    let checkedNetwork = float.path.isExactly(reference.path) ? network : FloatNetwork(float.graph, threads: threads)
    return try stage.run(checkedNetwork, resolutions, files: files, progress: progress)
  }

  /// Remarks for the report: sizes that a package was not verified for, and the roles of the two models where they are
  /// not a package and a checkpoint.
  func remarks(_ resolutions: [Resolution]) -> [String] {
    let remarks = [model, reference].flatMap { file in resolutions.compactMap(file.remark) }
    guard model.package == nil || reference.package != nil else { return remarks }
    func kind(_ file: ModelFile) -> String {
      file.package == nil ? "a checkpoint in float (\(file.format))" : "a package"
    }
    return [
      "figures named 'float' are those of the reference, which is \(kind(reference)); figures named 'int8' are those "
        + "of the model, which is \(kind(model))"
    ] + remarks
  }
}

extension Graph {
  /// Whether the vectors that are whitened have the appended 1 of a whitened head.
  fileprivate var isWhitened: Bool {
    nodes.contains { ($0.op as? GeneralizedMeanPooling)?.appendsOne == true }
  }
}

extension ModelFile {
  /// Whether the conversion that made a package whitened the network.
  fileprivate func wasWhitenedByConversion() throws -> Bool {
    guard let package, let metadata = try package.statedMetadata() else { return false }
    return metadata.fidelity?.settings["whitening"] != nil
  }

  /// The order of channels of the checkpoint that a package was made from; `nil` where it is not recorded.
  func storedChannelOrder() throws -> ChannelOrder? {
    guard let package, let metadata = try package.statedMetadata(),
      case .string(let name)? = metadata.fidelity?.settings["channel_order"]
    else { return nil }
    return ChannelOrder(rawValue: name)
  }
}
