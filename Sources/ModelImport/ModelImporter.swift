import Graphs
import Operators
import Tensors

/// Turns the tensors of a checkpoint into a float graph.
public struct ModelImporter: Sendable {
  /// Replaces the exponent that the checkpoint stores in `pool.p`.
  public var poolingExponent: Double?
  /// Replaces the architecture's normalisation.
  public var preprocessing: Preprocessing?

  /// The values of an ONNX model to take for the embedding and the logits.
  public var embeddingOutput: String?
  public var logitsOutput: String?

  public init(
    poolingExponent: Double? = nil, preprocessing: Preprocessing? = nil, embeddingOutput: String? = nil,
    logitsOutput: String? = nil
  ) {
    self.poolingExponent = poolingExponent
    self.preprocessing = preprocessing
    self.embeddingOutput = embeddingOutput
    self.logitsOutput = logitsOutput
  }

  /// The graph alone of `importNetwork`.
  public func importGraph(_ state: StateDictionary) throws(ImportError) -> Graph { try importNetwork(state).graph }

  /// Recognises the architecture by key names and takes every width, depth and class count from the shapes. No weights are
  /// copied: the graph's constants are views of the checkpoint's tensors (except half precision, which is widened).
  ///
  /// - Throws: `ImportError`: unknown names, tensors missing, unfit or left over.
  public func importNetwork(_ state: StateDictionary) throws(ImportError) -> ImportedNetwork {
    for architecture in Architectures.all {
      guard let prefix = architecture.prefix(in: state) else { continue }
      let name = architecture.name(of: state, prefix: prefix)
      var builder = GraphBuilder(
        architecture: name, preprocessing: preprocessing ?? architecture.preprocessing, state: state, prefix: prefix)
      let trunk = architecture.buildTrunk(&builder)
      try MultiGrainHead.build(on: trunk, exponent: poolingExponent, &builder)
      try builder.state.finish(architecture: name)
      try checkShapes(builder.graph)
      return ImportedNetwork(graph: builder.graph)
    }
    throw .unknownArchitecture(sample: Array(state.names.prefix(4)), tensors: state.names.count)
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
