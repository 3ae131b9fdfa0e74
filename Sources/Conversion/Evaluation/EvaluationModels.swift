import Graphs
import ModelImport
import PackageFormat
import Pixels
import Retrieval

/// Models that are opened to be evaluated side by side on images of the same size and crop.
struct EvaluationModels {
  /// A model, ready to be used at the common size.
  struct Entry {
    let model: ModelFile
    /// The size, the crop and the exponent.
    let resolution: Resolution
    /// The images that a package was calibrated on; `nil` for a checkpoint, and where it is not known.
    let calibration: ImageKeys?

    /// "int8" for a package, "float32" for a checkpoint.
    var precision: String { model.package == nil ? "float32" : "int8" }
  }

  /// In the order of the paths.
  let entries: [Entry]
  /// What reading the checkpoints assumed.
  let assumptions: [ImportAssumption]
  /// What puts figures in doubt, a sentence each.
  private(set) var warnings: [String] = []

  /// Opens the models. A checkpoint that a package among them was made from takes its input and pools as the package
  /// does, whatever the file says itself.
  ///
  /// - Parameters:
  ///   - paths: packages and checkpoints.
  ///   - request: the size and the crop. Where it leaves them open, they are those of the first package, or else
  ///     those that a checkpoint fixes, or the default.
  ///   - options: how to read checkpoints.
  /// - Throws: what opening the models throws; `ConversionError.option` for a size or an exponent that does not fit.
  init(_ paths: [String], request: ResolutionRequest, options: ModelFile.Options) throws {
    let packageOptions = ModelFile.Options(poolingExponent: options.poolingExponent)
    let packages = try paths.map { path in
      try ModelFile.isPackage(path) ? try ModelFile.openPackage(path, options: packageOptions) : nil
    }
    let info = packages.lazy.compactMap { $0?.info }.first
    var options = options
    options.imageSides = (request.sizes.first?.side ?? info?.resolutions.first?.side).map { [$0] } ?? []
    var models: [(model: ModelFile, source: ModelFile?)] = []
    for (path, package) in zip(paths, packages) {
      try models.append(
        package.map { ($0, $0) } ?? Self.checkpoint(path, packages: packages.compactMap(\.self), options: options))
    }
    let fixedSide = { try models.lazy.compactMap { try $0.model.fixedImageSize?.side(of: $0.model.path) }.first }
    let common = try request.resolutions(
      of: info, fixedSide: try fixedSide(), poolingExponent: options.poolingExponent)[0]
    var (entries, assumed) = ([Entry](), [ImportAssumption]())
    for (model, source) in models {
      var model = model
      let exponent =
        request.sizes.first?.poolingExponent ?? options.poolingExponent
        ?? source?.info?.resolution(side: common.side)?.poolingExponent
      try model.serve(Resolution(common.evaluation, poolingExponent: exponent))
      try model.checkSize(common.side)
      let resolution = Resolution(common.evaluation, poolingExponent: model.graph.poolingExponent)
      // Where a package defines the preprocessing, the checkpoint's is not assumed.
      assumed += model.assumptions.filter { assumption in
        !assumed.contains(assumption)
          && (source == nil || assumption.option != ImportAssumption.preprocessingOption)
      }
      warnings += [model.remark(on: resolution), model.fixedImageSize?.warning(at: resolution.evaluation)]
        .compactMap { $0.map { "\(model.path): \($0)" } }
      let calibration = try Self.calibration(of: model)
      if let problem = calibration.problem {
        warnings.append("the figures that \(model.path) states are not of this package: \(problem)")
      }
      entries.append(Entry(model: model, resolution: resolution, calibration: calibration.keys))
    }
    (self.entries, assumptions) = (entries, assumed)
  }

  /// The images that a package was calibrated on, and what does not fit where it states figures of another package.
  ///
  /// - Returns: no keys for a checkpoint, and where a package does not state them, or they may be those of another.
  private static func calibration(of model: ModelFile) throws -> (keys: ImageKeys?, problem: String?) {
    guard let package = model.package, let metadata = PackageMetadata(json: try package.metadataText()) else {
      return (nil, nil)
    }
    if let problem = metadata.binding(contentHash: package.contentHash)?.problem { return (nil, problem) }
    return (metadata.imageKeys, nil)
  }

  /// Opens a checkpoint, with the preprocessing, the exponent and the order of channels of the package that was made
  /// from it, if there is one.
  private static func checkpoint(
    _ path: String, packages: [ModelFile], options: ModelFile.Options
  ) throws -> (ModelFile, ModelFile?) {
    let plain = try ModelFile.openCheckpoint(path, options: options)
    guard !packages.isEmpty else { return (plain, nil) }
    let sha256 = try plain.sha256()
    guard let source = try packages.first(where: { try $0.sourceSHA256() == sha256 }) else { return (plain, nil) }
    var options = options
    options.poolingExponent = options.poolingExponent ?? source.graph.poolingExponent
    options.channelOrder = try options.channelOrder ?? source.storedChannelOrder()
    let model = try ModelFile.openCheckpoint(
      path, options: options,
      preprocessingOfPackage: options.preprocessing == nil ? source.graph.preprocessing : nil)
    return (model, source)
  }
}

extension EvaluationModels.Entry {
  /// Whether another entry is the same file, or a package that computes the same.
  func isSame(as other: EvaluationModels.Entry) throws -> Bool {
    if let own = model.package, let theirs = other.model.package { return own.contentHash == theirs.contentHash }
    // A file is hashed only where it may be the same.
    guard model.package == nil, other.model.package == nil, model.byteCount == other.model.byteCount else {
      return false
    }
    return try model.sha256() == other.model.sha256()
  }

  /// How images become inputs, such as "224 px, square, p = 3".
  var input: String {
    let evaluation = resolution.evaluation
    return "\(evaluation.size) px, \(evaluation.crop.rawValue)\(evaluation.resizingRemark)"
      + (resolution.poolingExponent.map { ", p = \($0)" } ?? "")
  }
}

extension ModelFile {
  /// SHA-256 of the checkpoint that a package was made from; `nil` where it is not recorded.
  fileprivate func sourceSHA256() throws -> String? {
    guard let package else { return nil }
    return PackageMetadata(json: try package.metadataText())?.source.sha256
  }
}
