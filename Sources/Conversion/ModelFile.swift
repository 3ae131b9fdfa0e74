import Checkpoints
import Files
import Graphs
import Images
import Inference
import Kernels
import ModelImport
import Operators
import PackageFormat
import Passes
import Runtime
import Tensors
import Threads

/// A model on disk, of either kind, ready to be made executable.
package struct ModelFile: Sendable {
  package let path: String
  /// The format's name: "pytorch-legacy", "quern-package" and so on.
  package let format: String
  package let byteCount: Int
  /// Float and folded for a checkpoint, quantised for a package, whose constants are only described: `executable` and
  /// `loadedGraph` read them.
  package internal(set) var graph: Graph
  /// `nil` for a checkpoint.
  package let package: PackageReader?
  /// What a package was converted for, with the exponents of its graph; `nil` for a checkpoint.
  package let info: PackageInfo?
  /// The normalisation that a checkpoint's own network takes, which is not that of `graph` where the network begins with
  /// norms that folding took into it; `nil` for a package.
  package var sourcePreprocessing: Preprocessing?
  /// What reading a checkpoint took for granted, and what it recognised or skipped.
  package var assumptions: [ImportAssumption] = []
  package var notes: [String] = []
  /// The image size that a checkpoint fixes; `nil` where it takes any.
  package var fixedImageSize: FixedImageSize?

  /// What a checkpoint's graph is made of; `nil` for a package.
  private var checkpoint: Checkpoint?

  package var architecture: String { graph.architecture }

  /// The names of the classifier's classes in its order, as a package or a checkpoint has them; empty where it does not.
  package var classNames: [String] { package?.labels ?? checkpoint?.classNames ?? [] }

  /// The network as an ONNX file describes it; `nil` for other formats.
  var network: ONNXModel? { checkpoint?.network }

  /// SHA-256 of the file, with that of a checkpoint's data files, in hexadecimal.
  package func sha256() throws(FileError) -> String {
    if let checkpoint { return checkpoint.sha256().hex }
    return try MappedFile(path: path).sha256().hex
  }

  /// The network made ready to run. A package is decompressed node by node, so that its weights are in memory once.
  ///
  /// - Throws: `GraphError` where it cannot run; `ConversionError.package` where its constants are damaged.
  package func executable(kernels: KernelSet = KernelSet(), threads: Int) throws -> Executable {
    guard let package else { return try Executable(graph, kernels: kernels, threads: threads) }
    do {
      return try PackagedNetwork(package, graph: graph).executable(kernels: kernels, threads: threads)
    } catch let error as PackageError {
      throw ConversionError.package(path: path, error)
    }
  }

  /// The graph with all its constants in memory.
  package func loadedGraph(threads: Int) throws(ConversionError) -> Graph {
    guard let package else { return graph }
    do throws(PackageError) {
      return try PackagedNetwork(package, graph: graph).loadedGraph(threads: threads)
    } catch { throw .package(path: path, error) }
  }

  /// What a user may override when a model is loaded.
  package typealias Options = ModelImporter

  /// Opens a checkpoint or a package, whichever it is by its first bytes.
  package static func open(_ path: String, options: Options = Options()) throws -> ModelFile {
    try isPackage(path) ? openPackage(path, options: options) : openCheckpoint(path, options: options)
  }

  /// - Throws: `FileError` where the file cannot be read.
  package static func isPackage(_ path: String) throws(FileError) -> Bool {
    let file = try MappedFile(path: path)
    return file.withBytes { $0.prefix(PackageReader.magic.count).elementsEqual(PackageReader.magic) }
  }

  /// Opens a checkpoint and folds its graph.
  ///
  /// - Parameter preprocessing: of a package that was made from the checkpoint, to be used in place of the checkpoint's own: a
  ///   package's preprocessing has the norms in it that read the image.
  package static func openCheckpoint(
    _ path: String, options: Options = Options(), preprocessingOfPackage preprocessing: Preprocessing? = nil
  ) throws -> ModelFile {
    var imported = try ImportedCheckpoint(path: path, options: options)
    var source = imported.graph.preprocessing
    if let preprocessing {
      imported.graph = try imported.graph.foldingInputNormalization().graph
      source = Preprocessing.source(of: preprocessing, as: source, becameOf: imported.graph.preprocessing)
      imported.graph.preprocessing = preprocessing
    }
    let (graph, _) = try PassPipeline.fold.run(imported.graph, afterEachPatch: imported.checkpoint.releasePages)
    var model = ModelFile(
      path: path, format: imported.checkpoint.format.rawValue, byteCount: imported.checkpoint.byteCount, graph: graph,
      package: nil, info: nil)
    model.sourcePreprocessing = source
    model.assumptions = imported.network.assumptions
    model.notes = imported.network.notes
    model.fixedImageSize = imported.network.fixedImageSize
    model.checkpoint = imported.checkpoint
    return model
  }

  /// Opens a package and decodes its graph.
  package static func openPackage(
    _ path: String, options: Options = Options()
  ) throws -> ModelFile {
    let reader = try PackageReader.opening(path)
    if options.preprocessing != nil {
      throw ConversionError.option("a package's preprocessing is part of its weights and cannot be overridden")
    }
    if let option = options.checkpointOptions.first {
      throw ConversionError.option("\(option) says how a checkpoint is read, and \(path) is a package")
    }
    var graph: Graph
    do throws(PackageError) { graph = try PackagedNetwork(reader).graph } catch {
      throw ConversionError.package(path: path, error)
    }
    let info = reader.info.pooling(as: graph)
    if let exponent = options.poolingExponent { try graph.setPoolingExponent(exponent) }
    return ModelFile(
      path: path, format: "quern-package", byteCount: reader.byteCount, graph: graph, package: reader,
      info: info)
  }
}

/// A checkpoint and the graph it became, before any pass. The graph's constants are views of the file.
package struct ImportedCheckpoint: Sendable {
  package let checkpoint: Checkpoint
  package internal(set) var network: ImportedNetwork
  package internal(set) var graph: Graph {
    get { network.graph }
    set { network.graph = newValue }
  }

  /// - Parameter checksValues: read every weight and refuse those that are not numbers.
  /// - Throws: `CheckpointError`, `ImportError`, or `ConversionError.notFinite` naming the first weight that is no number.
  package init(path: String, options: ModelFile.Options, checksValues: Bool = true) throws {
    let outline = try CheckpointOutline.open(path: path)
    if outline.network != nil, let option = options.stateOptions.first {
      throw ConversionError.option("\(option) says how a state dict is read, and \(path) is an ONNX model")
    }
    if outline.network == nil, options.embeddingOutput != nil {
      throw ConversionError.option("--embedding-output names a value of an ONNX model, and \(path) is none")
    }
    (checkpoint, network) = try options.importNetwork(of: outline)
    if options.channelOrder == .bgr { graph.takeRGBInsteadOfBGR() }
    if checksValues { try checkValues() }
  }

  /// Checks what the network reads. What it does not read may hold anything.
  ///
  /// - Throws: `ConversionError.notFinite` naming the first weight that is no number.
  private func checkValues() throws(ConversionError) {
    guard let found = graph.firstNonFinite() else { return }
    let tensor = tensorName(of: found).map { " (tensor '\($0)')" } ?? ""
    throw .notFinite(
      "\(checkpoint.path): the \(found.role) of node '\(found.node)'\(tensor) holds a value that is not finite, at element "
        + "\(found.index); training diverged or the file is damaged")
  }

  /// The name of the checkpoint's tensor that a constant is a view of; `nil` for what was converted or computed from it.
  private func tensorName(of constant: NonFiniteConstant) -> String? {
    let node = graph.nodes.first { $0.name == constant.node }
    guard let view = node?.constants[constant.role] else { return nil }
    return checkpoint.tensors.first {
      $0.tensor.storage === view.storage && $0.tensor.byteOffset == view.byteOffset
        && $0.tensor.elementCount == view.elementCount
    }?.name
  }

  /// Checks the values and hashes the file, at the same time where there is more than one thread.
  ///
  /// - Throws: `ConversionError.notFinite` naming the first weight that is no number.
  func checkedDigest(threads: Int) throws(ConversionError) -> SHA256.Digest {
    let results = ThreadTeam(count: min(threads, 2)).map(2) { job in
      Result { () throws(ConversionError) -> SHA256.Digest? in
        if job == 0 { return checkpoint.sha256() }
        try checkValues()
        return nil
      }
    }
    _ = try results[1].get()
    return try results[0].get() ?? checkpoint.sha256()
  }
}

extension ModelFile {
  /// - Throws: `ConversionError.option` where the network does not take images of this size.
  func checkSize(_ side: Int) throws(ConversionError) { try graph.checkSize(side) }
}

extension Graph {
  /// - Throws: `ConversionError.option` where images of this size are too small for the network, or where it takes other sizes;
  ///   `.wrongKind` where its shapes do not fit each other whatever the size.
  func checkSize(_ side: Int) throws(ConversionError) {
    let problem: GraphError?
    do throws(GraphError) {
      _ = try inferShapes(input: [1, side, side, 3])
      problem = nil
    } catch { problem = error }
    let least = leastSquareInput
    if let least, side < least {
      throw .option("--size \(side) is too small for \(architecture); it needs at least \(least)")
    }
    guard let problem else { return }
    // Networks that flatten a map take one size only.
    let other = (1...1024).first { (try? inferShapes(input: [1, $0, $0, 3])) != nil }
    guard let other else { throw .wrongKind("\(architecture) takes images of no size: \(problem)") }
    throw .option("--size \(side) does not fit \(architecture), which takes \(other): \(problem)")
  }
}

extension PackageReader {
  /// Opens a package; errors name the file.
  static func opening(_ path: String) throws(ConversionError) -> PackageReader {
    do throws(PackageError) { return try open(path: path) } catch { throw .package(path: path, error) }
  }

  /// The JSON text; errors name the file.
  func metadataText() throws(ConversionError) -> String {
    do throws(PackageError) { return try metadata() } catch { throw .package(path: path, error) }
  }

  /// Verifies every hash; errors name the file.
  func check(threads: Int) throws(ConversionError) {
    do throws(PackageError) { try checkAll(threads: threads) } catch { throw .package(path: path, error) }
  }
}

extension ModelImporter {
  /// The options that are set and say how a state dict is read.
  fileprivate var stateOptions: [String] { (state == nil ? [] : ["--state"]) + structure.names }

  /// The options that are set and say how a checkpoint of any format is read.
  fileprivate var checkpointOptions: [String] {
    stateOptions + (embeddingOutput == nil ? [] : ["--embedding-output"])
      + (logitsOutput == nil ? [] : ["--logits-output"]) + (channelOrder == nil ? [] : ["--channel-order"])
  }
}
