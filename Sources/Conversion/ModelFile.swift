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

/// A checkpoint or a package on disk, opened so that it can be made executable.
package struct ModelFile: Sendable {
  /// The path of the file.
  package let path: String
  /// The name of the format, such as "pytorch-legacy" or "quern-package".
  package let format: String
  /// The size of the file in bytes.
  package let byteCount: Int
  /// The network: float and folded for a checkpoint, quantised for a package. The constants of a package's graph are
  /// only described; `executable` and `loadedGraph` read them.
  package internal(set) var graph: Graph
  /// The reader of the package; `nil` for a checkpoint.
  package let package: PackageReader?
  /// The sizes that a package was converted for, with the exponents of its graph; `nil` for a checkpoint.
  package let info: PackageInfo?
  /// The normalisation that the checkpoint's network expects, which differs from that of `graph` where folding merged
  /// normalisation layers at the network's input into the latter; `nil` for a package.
  package var sourcePreprocessing: Preprocessing?
  /// The assumptions that reading a checkpoint made; empty for a package.
  package var assumptions: [ImportAssumption] = []
  /// What reading a checkpoint recognised, skipped or reinterpreted, one sentence each; empty for a package.
  package var notes: [String] = []
  /// The image size that a checkpoint fixes; `nil` where it takes any, and for a package.
  package var fixedImageSize: FixedImageSize?

  /// The checkpoint that the graph was imported from; `nil` for a package.
  private var checkpoint: Checkpoint?

  /// The architecture that was recognised.
  package var architecture: String { graph.architecture }

  /// The class names that a package or a checkpoint stores, in the classifier's order; empty where it stores none.
  package var classNames: [String] { package?.labels ?? checkpoint?.classNames ?? [] }

  /// The SHA-256 of the checkpoint that 'quern whiten' made this one of, and its record in JSON; `nil` for others.
  var whiteningOrigin: (checkpoint: String, record: String)? {
    guard let checkpoint, let source = checkpoint.metadata[WhitenedCheckpoint.sourceKey],
      let record = checkpoint.metadata[WhitenedCheckpoint.recordKey]
    else { return nil }
    return (source, record)
  }

  /// The network as an ONNX file describes it; `nil` for other formats.
  var network: ONNXModel? { checkpoint?.network }

  /// SHA-256 of the file and of a checkpoint's external data files, in hexadecimal digits: of the bytes that are
  /// mapped, whatever the path leads to by now.
  ///
  /// - Throws: `FileError` where the file cannot be read.
  package func sha256() throws(FileError) -> String {
    if let checkpoint { return checkpoint.sha256().hex }
    if let package { return package.sha256().hex }
    return try MappedFile(path: path).sha256().hex
  }

  /// Makes the network ready to run. A package is decompressed node by node, so that memory holds one copy of its
  /// weights.
  ///
  /// - Parameters:
  ///   - kernels: the kernels to run with, by default the fastest that the processor supports.
  ///   - threads: how many threads prepare the network.
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
  ///
  /// - Throws: `ConversionError.package` where the constants of a package are damaged.
  package func loadedGraph(threads: Int) throws(ConversionError) -> Graph {
    guard let package else { return graph }
    do throws(PackageError) {
      return try PackagedNetwork(package, graph: graph).loadedGraph(threads: threads)
    } catch { throw .package(path: path, error) }
  }

  /// The options of reading a model.
  package typealias Options = ModelImporter

  /// Opens a package or a checkpoint; the first bytes of the file decide which of them it is.
  ///
  /// - Throws: the errors of `openPackage` and `openCheckpoint`.
  package static func open(_ path: String, options: Options = Options()) throws -> ModelFile {
    try isPackage(path) ? openPackage(path, options: options) : openCheckpoint(path, options: options)
  }

  /// Whether a file begins with the magic bytes of a package.
  ///
  /// - Throws: `FileError` where the file cannot be read.
  package static func isPackage(_ path: String) throws(FileError) -> Bool {
    let file = try MappedFile(path: path)
    return file.withBytes { $0.prefix(PackageReader.magic.count).elementsEqual(PackageReader.magic) }
  }

  /// Opens a checkpoint and folds its graph.
  ///
  /// - Parameters:
  ///   - preprocessing: the preprocessing of a package that was made from the checkpoint, to be used in place of the
  ///     checkpoint's. Normalisation layers at the network's input are part of a package's preprocessing.
  ///   - statesHash: whether the hash of the file is stated, which is then taken before its weights are used.
  /// - Throws: `CheckpointError`, `ImportError`; `ConversionError.option` for options that do not fit the format,
  ///   `.notFinite` for weights that are not finite; `GraphError` where folding fails.
  package static func openCheckpoint(
    _ path: String, options: Options = Options(), preprocessingOfPackage preprocessing: Preprocessing? = nil,
    statesHash: Bool = false
  ) throws -> ModelFile {
    var imported = try ImportedCheckpoint(path: path, options: options)
    if statesHash { _ = imported.checkpoint.sha256() }
    var source = imported.graph.preprocessing
    if let preprocessing {
      imported.graph = try imported.graph.foldingInputNormalization().graph
      source = Preprocessing.source(of: preprocessing, as: source, becameOf: imported.graph.preprocessing)
      imported.graph.preprocessing = preprocessing
    }
    let (graph, _) = try PassPipeline.fold(keeping: imported.network.fixedNodes).run(
      imported.graph, afterEachPatch: imported.checkpoint.releasePages)
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
  ///
  /// - Parameter statesHash: whether the hash of the file is stated, which is then taken before its weights are used.
  /// - Throws: `ConversionError.package` where it is not a package or damaged, `.option` for options that are for
  ///   checkpoints, and for an exponent that is not positive, or where the embedding does not come from one pooling.
  package static func openPackage(
    _ path: String, options: Options = Options(), statesHash: Bool = false
  ) throws -> ModelFile {
    let reader = try PackageReader.opening(path)
    if statesHash { _ = reader.sha256() }
    if options.preprocessing != nil {
      throw ConversionError.option("the preprocessing of a package is part of its weights and cannot be overridden")
    }
    if let option = options.checkpointOptions.first {
      throw ConversionError.option("\(option) is for checkpoints, but \(path) is a package")
    }
    var graph: Graph
    do throws(PackageError) { graph = try PackagedNetwork(reader).graph } catch {
      throw ConversionError.package(path: path, error)
    }
    let info = reader.info.pooling(as: graph)
    if let exponent = options.poolingExponent { try graph.pool(by: exponent, side: info.standard.side) }
    return ModelFile(
      path: path, format: "quern-package", byteCount: reader.byteCount, graph: graph, package: reader,
      info: info)
  }
}

/// A checkpoint and the graph that was imported from it, before any pass. The graph's constants are views of the file.
package struct ImportedCheckpoint: Sendable {
  /// The bytes of constants that the nodes of a network may have for a file of no size, and for each of its bytes.
  private static let (freeConstantBytes, constantBytesPerByte) = (32 << 20, 16)

  /// The file.
  package let checkpoint: Checkpoint
  /// The graph, with the assumptions and the remarks of importing it.
  package internal(set) var network: ImportedNetwork
  /// The graph of `network`.
  package internal(set) var graph: Graph {
    get { network.graph }
    set { network.graph = newValue }
  }

  /// Reads a checkpoint and imports its network.
  ///
  /// - Parameters:
  ///   - path: the path of the checkpoint.
  ///   - options: how to read it.
  ///   - checksValues: whether to read every weight and to refuse values that are not finite.
  /// - Throws: `CheckpointError` where the file cannot be read; `ImportError` where no network is recognised in it;
  ///   `ConversionError.option` for options that do not fit the format, `.notFinite` for weights that are not finite,
  ///   which names the first.
  package init(path: String, options: ModelFile.Options, checksValues: Bool = true) throws {
    let outline = try CheckpointOutline.open(path: path)
    if outline.network != nil, let option = options.stateOptions.first {
      throw ConversionError.option("\(option) is for state dicts, but \(path) is an ONNX model")
    }
    if outline.network == nil, options.embeddingOutput != nil {
      throw ConversionError.option("--embedding-output is for ONNX models, but \(path) is not an ONNX model")
    }
    (checkpoint, network) = try options.importNetwork(of: outline)
    if options.channelOrder == .bgr { graph.convertInputToRGB() }
    guard graph.nodes.count <= Graph.nodeLimit else {
      throw GraphError.structure(
        "it has \(graph.nodes.count) nodes, more than the \(Graph.nodeLimit) of the largest network")
    }
    try graph.checkConstants(limit: Self.freeConstantBytes + Self.constantBytesPerByte * checkpoint.byteCount)
    if checksValues { try checkValues() }
  }

  /// Checks the weights that the network uses. Other tensors of the file may have any values.
  ///
  /// - Throws: `ConversionError.notFinite`, which names the first weight that is not finite.
  private func checkValues() throws(ConversionError) {
    guard let found = graph.firstNonFinite() else { return }
    let tensor = tensorName(of: found).map { " (tensor '\($0)')" } ?? ""
    throw .notFinite(
      "\(checkpoint.path): the \(found.role) of node '\(found.node)'\(tensor) has a value that is not finite, at "
        + "element \(found.index); training diverged or the file is damaged")
  }

  /// The name of the checkpoint's tensor that a constant is a view of; `nil` where the constant was converted or
  /// computed.
  private func tensorName(of constant: NonFiniteConstant) -> String? {
    let node = graph.nodes.first { $0.name == constant.node }
    guard let view = node?.constants[constant.role] else { return nil }
    return checkpoint.tensors.first {
      $0.tensor.storage === view.storage && $0.tensor.byteOffset == view.byteOffset
        && $0.tensor.elementCount == view.elementCount
    }?.name
  }

  /// Checks the weights and hashes the file, at the same time where there is more than one thread.
  ///
  /// - Throws: `ConversionError.notFinite`, which names the first weight that is not finite.
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
  /// Checks that the network takes square images of a size.
  ///
  /// - Throws: `ConversionError.option` where it does not, `.wrongKind` where its shapes fit no size, or where the size
  ///   is one that the package states itself.
  func checkSize(_ side: Int) throws(ConversionError) {
    do { try graph.checkSize(side) } catch {
      guard case .option = error, info?.resolution(side: side) != nil else { throw error }
      throw .wrongKind("\(path): the package is made for images of \(side) px, which its network does not take")
    }
  }
}

extension Graph {
  /// Checks that the network takes square images of a size.
  ///
  /// - Throws: `ConversionError.option` where images of this size are too small for the network, or where it takes
  ///   other sizes; `.wrongKind` where its shapes do not fit each other at any size.
  func checkSize(_ side: Int) throws(ConversionError) {
    let problem: GraphError?
    do throws(GraphError) {
      _ = try inferShapes(input: [1, side, side, 3])
      problem = nil
    } catch { problem = error }
    let minSide = minSquareInput
    if let minSide, side < minSide {
      throw .option("--size \(side) is too small for \(architecture); it needs at least \(minSide)")
    }
    guard let problem else { return }
    // Networks that flatten a feature map take only one size.
    let other = (1...1024).first { (try? inferShapes(input: [1, $0, $0, 3])) != nil }
    guard let other else { throw .wrongKind("\(architecture) does not take images of any size: \(problem)") }
    throw .option("--size \(side) does not fit \(architecture), which takes \(other): \(problem)")
  }
}

extension PackageReader {
  /// Opens a package; errors name the file.
  static func opening(_ path: String) throws(ConversionError) -> PackageReader {
    do throws(PackageError) { return try open(path: path) } catch { throw .package(path: path, error) }
  }

  /// The JSON text of the metadata; errors name the file.
  func metadataText() throws(ConversionError) -> String {
    do throws(PackageError) { return try metadata() } catch { throw .package(path: path, error) }
  }

  /// The licence of the weights, or `nil`; errors name the file.
  ///
  /// - Throws: `ConversionError.package` where the section is damaged or malformed.
  package func statedLicense() throws(ConversionError) -> PackageLicense? {
    do throws(PackageError) { return try license() } catch { throw .package(path: path, error) }
  }

  /// Verifies every hash; errors name the file.
  func check(threads: Int) throws(ConversionError) {
    do throws(PackageError) { try checkAll(threads: threads) } catch { throw .package(path: path, error) }
  }

  /// Verifies that the network runs at every size; errors name the file.
  func checkRuns(threads: Int) throws(ConversionError) {
    do throws(InferenceError) {
      try EmbeddingModel(self, threads: threads).validate()
    } catch {
      switch error {
      case .package(let error): throw .package(path: path, error)
      case .graph(let error): throw .package(path: path, .graph(error))
      default: throw .wrongKind("\(path): \(error)")
      }
    }
  }
}

extension ModelImporter {
  /// The names of the options that are set and only apply to state dicts.
  fileprivate var stateOptions: [String] { (state == nil ? [] : ["--state"]) + structure.names }

  /// The names of the options that are set and only apply to checkpoints, of any format.
  fileprivate var checkpointOptions: [String] {
    stateOptions + (embeddingOutput == nil ? [] : ["--embedding-output"])
      + (logitsOutput == nil ? [] : ["--logits-output"]) + (channelOrder == nil ? [] : ["--channel-order"])
  }
}
