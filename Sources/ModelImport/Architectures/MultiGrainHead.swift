import Graphs
import Operators
import Tensors

/// The head of MultiGrain (Berman et al., arXiv 1902.05509, section 3): GeM pooling, whitening where the checkpoint has
/// it, the embedding, its L2-normalised form, and a linear classifier on the embedding. A whitening may keep fewer
/// dimensions for the embedding than the classifier reads (`quern whiten --dimensions`); the classifier then reads the
/// vectors before whitening.
struct MultiGrainHead {
  /// The parts of a head that the checkpoint has.
  let parts: HeadParts
  /// The layers between pooling and embedding.
  let neck: [NeckLayer]
  /// The user's GeM exponent, which overrides the checkpoint's.
  let exponent: Double?

  /// Appends the head and sets the outputs of the graph.
  ///
  /// - Parameter trunk: the last feature map.
  /// - Throws: `ImportError.option` where the user's exponent is not positive, or the checkpoint has several exponents
  ///   and the user chooses none; `.badTensor` where the checkpoint's is not a single positive number.
  func build(on trunk: Layer, _ builder: inout GraphBuilder) throws(ImportError) {
    let p = try chosenExponent(&builder)
    let whitening = parts.whitening
    guard whitening == nil || neck.isEmpty else {
      throw .variant(
        architecture: builder.graph.architecture,
        problem:
          "its embedding is whitened ('\(whitening ?? "")') after layers that only networks without whitening have")
    }
    var read: ValueID?
    var embedding = builder.graph.append(
      GeneralizedMeanPooling(exponent: p, appendsOne: whitening != nil), name: "pool", inputs: [trunk.value])
    embedding = builder.append(neck, on: Layer(value: embedding, channels: trunk.channels)).value
    if let whitening {
      // v -> (v / |v| - m) P; as a linear layer's weight, P is transposed.
      let mean = builder.state.take("\(whitening)pca_m", rank: 1)
      let projection = builder.state.take("\(whitening)pca_P", rank: 2).permuted([1, 0])
      embedding = builder.graph.append(L2Normalization(), name: "whitening.normalize", inputs: [embedding])
      if readsVectors(whitening, builder.state) { read = embedding }
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
    if let classifier = parts.classifier {
      var constants = ["weight": builder.state.take("\(classifier).weight", rank: 2)]
      if let bias = builder.state.takeIfPresent("\(classifier).bias", rank: 1) { constants["bias"] = bias }
      let name = String(classifier.dropFirst(parts.classifierScope.count))
      let logits = builder.graph.append(Linear(), name: name, inputs: [read ?? embedding], constants: constants)
      builder.graph.outputs.append(GraphOutput(name: GraphOutput.logits, value: logits))
    }
    for name in parts.skipped { builder.state.skip(name) }
  }

  /// Whether the classifier reads the vectors before whitening: it reads as many elements as they have, and the
  /// whitening keeps fewer.
  private func readsVectors(_ whitening: String, _ state: StateDictionary) -> Bool {
    guard let classifier = parts.classifier, let projection = state.shape("\(whitening)pca_P"), projection.rank == 2,
      let weight = state.shape("\(classifier).weight"), weight.rank == 2
    else { return false }
    return projection[1] < projection[0] && weight[1] == projection[0]
  }

  /// The user's exponent, or the checkpoint's, or else the usual one for networks that store none.
  private func chosenExponent(_ builder: inout GraphBuilder) throws(ImportError) -> Double {
    // The mean of a single pixel is the pixel.
    if builder.fixedImageSize != nil {
      guard exponent == nil, parts.exponents.isEmpty else {
        throw .option("a GeM exponent has no effect on \(builder.graph.architecture), whose last map is not pooled")
      }
      return 1
    }
    var stored: Double?
    if parts.exponents.count == 1, let name = parts.exponents.first {
      let count = builder.state.shape(name)?.elementCount ?? 0
      guard count == 1, let value = builder.state.takeNumbers(name, count: 1)?.first else {
        throw .badTensor(
          name: name, problem: "holds \(count) values, and GeM pooling with one exponent for all channels is supported")
      }
      // Networks compute with the exponent in float32, so that value is used and printed, too.
      stored = Double(Float(value))
    } else if parts.exponents.count > 1 {
      guard exponent != nil else {
        throw .option(
          "the file holds \(parts.exponents.count) GeM exponents, "
            + "\(parts.exponents.map { "'\($0)'" }.joined(separator: " and ")); set one with --pooling-exponent"
        )
      }
      for name in parts.exponents { builder.state.skip(name) }
    }
    let p = exponent ?? stored ?? (parts.hasClassifier || !neck.isEmpty ? 1 : 3)
    guard p > 0 else {
      let problem = "is \(p), but it must be positive (inf is maximum pooling)"
      throw exponent == nil
        ? .badTensor(name: parts.exponents.first ?? "pool.p", problem: problem) : .option("the GeM exponent \(problem)")
    }
    if exponent == nil, stored == nil {
      builder.assume(
        parts.hasClassifier || !neck.isEmpty
          ? "the trunk's map is pooled by its average (GeM exponent 1), as is usual for classifiers that store no "
            + "exponent; for retrieval 3 is common"
          : "the trunk's map is pooled by GeM with exponent 3, as in the MultiGrain paper: the file has no exponent and no "
            + "classifier", option: "--pooling-exponent")
    }
    return p
  }
}
