import Graphs
import Operators
import Tensors

/// What MultiGrain (Berman et al., arXiv 1902.05509, section 3) puts on a trunk: GeM pooling, whitening where the
/// checkpoint has it, the embedding, its L2-normalised form, and a linear classifier on the embedding.
enum MultiGrainHead {
  /// - Parameter exponent: overrides the checkpoint's `pool.p`; a trunk without one gets 3.
  /// - Throws: `ImportError.option` for an exponent that is not positive, `.badTensor` where the checkpoint's is not.
  static func build(on trunk: Layer, exponent: Double?, _ builder: inout GraphBuilder) throws(ImportError) {
    let stored = builder.state.takeIfPresent("pool.p", rank: 0)?.elements(as: Float.self)[0]
    let p = exponent ?? stored.map { Double($0) } ?? 3
    guard p > 0 else {
      let problem = "is \(p), but it must be positive (inf is maximum pooling)"
      throw exponent == nil ? .badTensor(name: "pool.p", problem: problem) : .option("the GeM exponent \(problem)")
    }

    let isWhitened = builder.state.contains("whitening.pca.pca_P")
    var embedding = builder.graph.append(
      GeneralizedMeanPooling(exponent: p, appendsOne: isWhitened), name: "pool", inputs: [trunk.value])
    if isWhitened {
      // v -> (v / |v| - m) P; as a linear layer's weight, P is transposed.
      let mean = builder.state.take("whitening.pca.pca_m", rank: 1)
      let projection = builder.state.take("whitening.pca.pca_P", rank: 2).permuted([1, 0])
      embedding = builder.graph.append(L2Normalization(), name: "whitening.normalize", inputs: [embedding])
      embedding = builder.graph.append(
        Centering(), name: "whitening.center", inputs: [embedding], constants: ["mean": mean])
      embedding = builder.graph.append(
        Linear(), name: "whitening.project", inputs: [embedding], constants: ["weight": projection])
    }
    let normalized = builder.graph.append(L2Normalization(), name: "normalize", inputs: [embedding])
    builder.graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized),
      GraphOutput(name: GraphOutput.embedding, value: embedding),
    ]
    let state = builder.state
    let classifiers = ["classifier", "fc", "last_linear"]
    if let classifier = classifiers.first(where: { state.contains("\($0).weight") || state.contains("\($0).bias") }) {
      var constants = ["weight": builder.state.take("\(classifier).weight", rank: 2)]
      if let bias = builder.state.takeIfPresent("\(classifier).bias", rank: 1) { constants["bias"] = bias }
      let logits = builder.graph.append(Linear(), name: classifier, inputs: [embedding], constants: constants)
      builder.graph.outputs.append(GraphOutput(name: GraphOutput.logits, value: logits))
    }
  }
}
