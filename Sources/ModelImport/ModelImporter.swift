import Graphs
import Operators
import Tensors

/// Converts the network of a checkpoint into a float graph.
package struct ModelImporter: Sendable {
  /// The exponent of the head's GeM pooling, which must be positive; `nil`: the checkpoint's, or the usual one.
  package var poolingExponent: Double?
  /// The normalisation of pixels; `nil`: the checkpoint's, or the architecture's.
  package var preprocessing: Preprocessing?
  /// The order of the channels that the checkpoint's network expects; `nil`: RGB.
  package var channelOrder: ChannelOrder?

  /// The sides of images in pixels that the network will run at. An ONNX model that states no size must be the same
  /// network at each of them, and is read for the first where it cannot be read for all sizes; if there are none, for
  /// the most usual that it can be read for.
  package var imageSides: [Int] = []
  /// The value of an ONNX model that is the embedding; `nil`: found among the outputs.
  package var embeddingOutput: String?
  /// The value of an ONNX model that holds the logits, or the layer of a checkpoint that computes them; `nil`: found by
  /// structure or name. "none" leaves a checkpoint's classifier out.
  package var logitsOutput: String?

  /// Which of the networks in a checkpoint to import: keys and modules that lead to it, joined by dots, such as
  /// "model_ema"; `nil` where there is only one.
  package var state: String?
  /// What a checkpoint does not state about its network.
  package var structure = StructureOptions()

  /// Creates an importer with these options, for a network that expects RGB images.
  package init(
    poolingExponent: Double? = nil, preprocessing: Preprocessing? = nil, embeddingOutput: String? = nil,
    logitsOutput: String? = nil, state: String? = nil, structure: StructureOptions = StructureOptions()
  ) {
    self.poolingExponent = poolingExponent
    self.preprocessing = preprocessing
    self.embeddingOutput = embeddingOutput
    self.logitsOutput = logitsOutput
    self.state = state
    self.structure = structure
  }

  /// Imports the network among the tensors and returns only its graph.
  ///
  /// - Throws: `ImportError`, as `select(from:)` and `importNetwork(_:_:)`.
  package func importGraph(_ state: StateDictionary) throws(ImportError) -> Graph { try importNetwork(state).graph }

  /// Finds the network among the tensors and imports it.
  ///
  /// - Throws: `ImportError`, as `select(from:)` and `importNetwork(_:_:)`.
  package func importNetwork(_ state: StateDictionary) throws(ImportError) -> ImportedNetwork {
    try importNetwork(state, try select(from: [.init(path: [], names: state.names)]))
  }

  /// Builds the network's graph; every width, depth and class count comes from the tensors' names and shapes. No
  /// weights are copied: the graph's constants are views of the checkpoint's tensors, except for half precision, which
  /// is widened.
  ///
  /// - Parameters:
  ///   - state: the tensors of the selected dictionaries.
  ///   - selection: the result of `select(from:)` for the checkpoint's names.
  /// - Throws: `ImportError.missing`, `.unreadable`, `.badTensor` or `.unexpectedTensors` where the tensors are not
  ///   those of the architecture, `.variant` where it is recognised but not supported, and `.option` where an option
  ///   does not fit the checkpoint or is needed to read it.
  package func importNetwork(
    _ state: StateDictionary, _ selection: StateSelection
  ) throws(ImportError) -> ImportedNetwork {
    let (architecture, prefix) = (selection.trunk.architecture, selection.trunk.prefix)
    let aliases = selection.trunk.aliases
    let state = aliases.isEmpty ? state : state.renamingModules(below: prefix, aliases)
    let scopes = Scopes(prefix: prefix, floor: selection.floor)
    let name = architecture.name(of: state, prefix: prefix)
    let conventions = architecture.conventions(of: state, prefix: prefix, options: structure)
    var builder = GraphBuilder(
      architecture: name, conventions: conventions, preprocessing: preprocessing, state: state, prefix: prefix,
      aliases: aliases, options: structure)
    var notes: [String] = []
    if !selection.base.isEmpty { notes.append("the network is read from '\(selection.base.joined(separator: "."))'") }
    if !prefix.isEmpty { notes.append("the trunk's keys start with '\(prefix)'") }
    if !aliases.isEmpty {
      let names = aliases.sorted { $0.key < $1.key }.map { "'\($0.key)' is \($0.value)" }
      notes.append("the modules of the trunk are numbered: \(names.joined(separator: ", "))")
    }

    let trunk = try architecture.buildTrunk(&builder)
    builder.assumeEpsilon()
    let neck = architecture.neck(builder)
    builder.reserve(neck)
    let normalization = try normalize(&builder, scopes, &notes)
    let parts = try HeadParts(in: builder.state, scopes, classifierName: logitsOutput, architecture: name)
    try MultiGrainHead(parts: parts, neck: neck, exponent: poolingExponent).build(on: trunk, &builder)
    try builder.state.finish(architecture: name)
    let leftovers = try Leftovers(
      of: builder.state, root: parts.outermostScope ?? prefix, scopes, isExplicit: selection.isExplicit,
      architecture: name)
    // A user who names the network has decided what is not part of it, which needs no assumption.
    let neighbours: [ImportAssumption] =
      selection.isExplicit ? [] : selection.neighbours.map { .leavingOut($0.name, tensors: $0.tensors) }
    try checkShapes(builder.graph, builder.fixedImageSize)
    if let unused = structure.names.first(where: { !builder.usedOptions.contains($0) }) {
      throw .option("\(unused) has no effect on \(name)")
    }
    var network = ImportedNetwork(
      graph: builder.graph, assumptions: builder.assumptions + leftovers.assumptions + neighbours + normalization,
      notes: notes + parts.notes + leftovers.notes, fixedImageSize: builder.fixedImageSize)
    network.head = CheckpointHead(
      exponents: parts.exponents, whitening: parts.whitening, classifier: parts.classifier, leftOut: parts.skipped,
      scope: parts.outermostScope ?? prefix, floor: selection.floor, isPooled: builder.fixedImageSize == nil,
      trunk: prefix, aliases: aliases)
    return network
  }

  /// Sets the normalisation of pixels: the user's, or that of the checkpoint's buffers, or else the architecture's.
  ///
  /// - Returns: the assumptions that this makes.
  /// - Throws: `ImportError.option` where the checkpoint's buffers are not plausible statistics of pixels.
  private func normalize(
    _ builder: inout GraphBuilder, _ scopes: Scopes, _ notes: inout [String]
  ) throws(ImportError) -> [ImportAssumption] {
    guard let buffers = PixelBuffers(from: &builder.state, scopes) else {
      return preprocessing == nil ? [.preprocessing(builder.graph.preprocessing)] : []
    }
    let names = "'\(buffers.mean)' and '\(buffers.std)'"
    if let preprocessing {
      let agrees = buffers.preprocessing?.isClose(to: preprocessing) ?? false
      notes.append("\(names) are ignored\(agrees ? "" : " in favour of --mean and --std, which differ from them")")
      return []
    }
    guard let stored = buffers.preprocessing else {
      throw .option(
        "\(names) are not statistics of pixels in 0...1 or 0...255; set the normalisation with --mean and --std")
    }
    if !stored.isClose(to: builder.graph.preprocessing) { builder.graph.preprocessing = stored }
    return [.preprocessing(builder.graph.preprocessing, "as stored in \(names)")]
  }

  /// Infers the shapes of all values for an image that is large enough for every trunk, to check that they fit.
  private func checkShapes(_ graph: Graph, _ size: FixedImageSize?) throws(ImportError) {
    do throws(GraphError) {
      try graph.validate()
      _ = try graph.inferShapes(input: [1, size?.height ?? 256, size?.width ?? 256, 3])
    } catch {
      guard case .at(let node, let problem) = error else { throw .badTensor(name: "", problem: "\(error)") }
      throw .badTensor(name: node, problem: "does not fit its neighbours: \(problem)")
    }
  }
}
