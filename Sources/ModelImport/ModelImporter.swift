import Graphs
import Operators
import Tensors

/// Turns the tensors of a checkpoint into a float graph.
package struct ModelImporter: Sendable {
  /// Replaces the exponent that the checkpoint stores in `pool.p`.
  package var poolingExponent: Double?
  /// Replaces the architecture's normalisation.
  package var preprocessing: Preprocessing?
  /// The order of the channels that the checkpoint's network takes; `nil`: RGB.
  package var channelOrder: ChannelOrder?

  /// The value of an ONNX model to take for the embedding.
  package var embeddingOutput: String?
  /// The value of an ONNX model to take for the logits, or the layer of a checkpoint; "none" leaves a checkpoint's out.
  package var logitsOutput: String?

  /// Which of the networks that a checkpoint holds is meant: keys and modules that lead to it, such as "model_ema".
  package var state: String?
  /// What a checkpoint does not say of its network.
  package var structure = StructureOptions()

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

  /// The graph alone of `importNetwork`.
  package func importGraph(_ state: StateDictionary) throws(ImportError) -> Graph { try importNetwork(state).graph }

  /// Finds the network among the tensors and imports it.
  ///
  /// - Throws: as `select` and `importNetwork(_:_:)` do.
  package func importNetwork(_ state: StateDictionary) throws(ImportError) -> ImportedNetwork {
    try importNetwork(state, try select(from: [.init(path: [], names: state.names)]))
  }

  /// Recognises the architecture by key names and takes every width, depth and class count from the shapes. No weights are
  /// copied: the graph's constants are views of the checkpoint's tensors (except half precision, which is widened).
  ///
  /// - Parameters:
  ///   - state: the tensors of the selection's dictionaries.
  ///   - selection: what `select` made of the checkpoint's names.
  /// - Throws: `ImportError`: tensors missing, unfit or left over, a variant that is not supported, options that do not fit.
  package func importNetwork(
    _ state: StateDictionary, _ selection: StateSelection
  ) throws(ImportError) -> ImportedNetwork {
    let (architecture, prefix) = (selection.trunk.architecture, selection.trunk.prefix)
    let aliases = selection.trunk.aliases
    let state = aliases.isEmpty ? state : state.renamingModules(below: prefix, aliases)
    let scopes = Scopes(prefix: prefix, floor: selection.floor)
    let name = architecture.name(of: state, prefix: prefix)
    var builder = GraphBuilder(
      architecture: name, of: architecture, preprocessing: preprocessing ?? architecture.preprocessing, state: state,
      prefix: prefix, aliases: aliases, options: structure)
    var notes: [String] = []
    if !selection.base.isEmpty { notes.append("the network is read from '\(selection.base.joined(separator: "."))'") }
    if !prefix.isEmpty { notes.append("the trunk's keys start with '\(prefix)'") }
    if !aliases.isEmpty {
      let names = aliases.sorted { $0.key < $1.key }.map { "'\($0.key)' is \($0.value)" }
      notes.append("the modules of the trunk are numbered: \(names.joined(separator: ", "))")
    }

    let trunk = try architecture.buildTrunk(&builder)
    builder.assumeEpsilon()
    let normalization = try normalize(&builder, scopes, &notes)
    let parts = try HeadParts(in: builder.state, scopes, classifierName: logitsOutput, architecture: name)
    try MultiGrainHead(parts: parts, exponent: poolingExponent).build(on: trunk, &builder)
    try builder.state.finish(architecture: name)
    let leftovers = try Leftovers(
      of: builder.state, root: parts.outermostScope ?? prefix, scopes, isExplicit: selection.isExplicit,
      architecture: name)
    // A user who names the network knows what is left out.
    let neighbours: [ImportAssumption] =
      selection.isExplicit ? [] : selection.neighbours.map { .leavingOut($0.name, tensors: $0.tensors) }
    try checkShapes(builder.graph)
    if let unused = structure.names.first(where: { !builder.usedOptions.contains($0) }) {
      throw .option("\(unused) changes nothing of \(name)")
    }
    return ImportedNetwork(
      graph: builder.graph, assumptions: builder.assumptions + leftovers.assumptions + neighbours + normalization,
      notes: notes + parts.notes + leftovers.notes)
  }

  /// Sets the normalisation of pixels: the user's, that of the checkpoint's own buffers, or else the architecture's.
  ///
  /// - Throws: `ImportError.option` where the checkpoint has buffers that are no statistics of pixels.
  private func normalize(
    _ builder: inout GraphBuilder, _ scopes: Scopes, _ notes: inout [String]
  ) throws(ImportError) -> [ImportAssumption] {
    guard let buffers = PixelBuffers(from: &builder.state, scopes) else {
      return preprocessing == nil ? [.preprocessing(builder.graph.preprocessing)] : []
    }
    let names = "'\(buffers.mean)' and '\(buffers.std)'"
    if let preprocessing {
      let agrees = buffers.preprocessing?.isClose(to: preprocessing) ?? false
      notes.append("\(names) are left out\(agrees ? "" : ", which are not the --mean and --std that were given")")
      return []
    }
    guard let stored = buffers.preprocessing else {
      throw .option("\(names) are no statistics of pixels in 0...1 or 0...255; say with --mean and --std what holds")
    }
    if !stored.isClose(to: builder.graph.preprocessing) { builder.graph.preprocessing = stored }
    return [.preprocessing(builder.graph.preprocessing, "as \(names) have it")]
  }

  /// A probe large enough for every trunk shows whether all shapes fit each other.
  private func checkShapes(_ graph: Graph) throws(ImportError) {
    do throws(GraphError) {
      try graph.validate()
      _ = try graph.inferShapes(input: [1, 256, 256, 3])
    } catch {
      guard case .at(let node, let problem) = error else { throw .badTensor(name: "", problem: "\(error)") }
      throw .badTensor(name: node, problem: "does not fit its neighbours: \(problem)")
    }
  }
}
