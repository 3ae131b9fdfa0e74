import Graphs
import LinearAlgebra
import Operators
import Tensors

/// The head of a network that can be whitened: GeM or average pooling, perhaps a whitening to be replaced, the
/// embedding, its L2 normalisation, and perhaps a linear classifier.
package struct WhiteningHead: Sendable {
  /// The node that pools the trunk's map.
  let pooling: Node
  /// The L2 normalisation of the embedding.
  let normalization: Node
  /// The node that computes the logits; `nil` without a classifier.
  let classifier: Node?
  /// What the classifier reads.
  private let classifierInput: ClassifierInput
  /// The whitening that the network has already; `nil` without one.
  private let previous: (mean: Tensor, projection: Tensor)?

  private enum ClassifierInput {
    /// The pooled vector itself.
    case pooled
    /// The pooled vector with an appended 1, L2-normalised: the input of the whitening that the network has.
    case normalized
    /// The whitened vector.
    case whitened
  }

  /// Whether the network is whitened already.
  package var isWhitened: Bool { previous != nil }
  /// Whether the logits of a whitened network are those of the network divided by the norm of each pooled vector. The
  /// logits of a network that is whitened already stay.
  package var dividesLogits: Bool { classifier != nil && previous == nil }

  /// Finds the head.
  ///
  /// - Parameter keepsClassifier: whether the classifier is needed; without it, it may be of any form.
  /// - Throws: `WhiteningError.unusable`, which names the node that is not of the form.
  package init(of graph: Graph, keepsClassifier: Bool) throws(WhiteningError) {
    let producers = graph.producers
    func producer(_ value: ValueID?) -> Node? { value.flatMap { producers[$0] }.map { graph.nodes[$0] } }
    guard let normalization = producer(graph.output(named: GraphOutput.normalizedEmbedding)),
      normalization.op is L2Normalization
    else { throw .unusable("it has no embedding that is L2-normalised") }
    let embedding = normalization.inputs[0]
    guard let last = producer(embedding) else { throw .unusable("its embedding is the image itself") }
    var input = ClassifierInput.pooled
    var pooled = embedding
    if let op = last.op as? GeneralizedMeanPooling, !op.appendsOne {
      (pooling, previous) = (last, nil)
    } else if last.op is Linear, last.constants["bias"] == nil, let projection = last.constants["weight"],
      let centering = producer(last.inputs[0]), centering.op is Centering, let mean = centering.constants["mean"],
      let normalize = producer(centering.inputs[0]), normalize.op is L2Normalization,
      let pool = producer(normalize.inputs[0]), let op = pool.op as? GeneralizedMeanPooling, op.appendsOne
    {
      (pooling, previous) = (pool, (mean, projection))
      pooled = normalize.output
      input = .whitened
    } else {
      throw .unusable(
        "its embedding comes from '\(last.name)' (\(last.kind)), and only an embedding that comes straight from GeM or "
          + "average pooling, or from MultiGrain's whitening, can be whitened")
    }
    self.normalization = normalization
    guard keepsClassifier, let logits = graph.output(named: GraphOutput.logits) else {
      (classifier, classifierInput) = (nil, input)
      return
    }
    guard let layer = producer(logits), layer.op is Linear, layer.inputs[0] == embedding || layer.inputs[0] == pooled,
      layer.constants["weight"] != nil
    else {
      let name = producer(logits).map { "'\($0.name)' (\($0.kind))" } ?? "nothing"
      throw .unusable(
        "its logits come from \(name), which is not one linear layer on the embedding, so that whitening cannot be "
          + "folded into it; leave the classifier out with --logits-output none")
    }
    classifier = layer
    classifierInput = previous != nil && layer.inputs[0] != embedding ? .normalized : input
  }

  /// The classifier as a linear function `W v + c` of the pooled vector v with an appended 1, L2-normalised; `nil`
  /// without a classifier. That of a network that is not whitened reads v times its norm before normalisation: logits
  /// are divided by this norm.
  ///
  /// - Throws: `WhiteningError.unusable` where its weights do not fit vectors of this dimension.
  func classifier(dimension: Int) throws(WhiteningError) -> (weight: [Double], constant: [Double])? {
    guard let classifier, let tensor = classifier.constants["weight"] else { return nil }
    let (outputs, inputs) = (tensor.shape[0], tensor.shape[1])
    let weight = tensor.elements(as: Float.self).map(Double.init)
    let bias = classifier.constants["bias"]?.elements(as: Float.self).map(Double.init)
    let constant = bias ?? [Double](repeating: 0, count: outputs)
    let misfit = WhiteningError.unusable("its classifier reads \(inputs) elements of vectors of \(dimension)")
    guard constant.count == outputs else { throw misfit }
    switch classifierInput {
    case .pooled:
      guard inputs + 1 == dimension else { throw misfit }
      var rows: [Double] = []
      for output in 0..<outputs {
        rows += weight[output * inputs..<(output + 1) * inputs]
        rows.append(constant[output])
      }
      return (rows, [Double](repeating: 0, count: outputs))
    case .normalized:
      guard inputs == dimension else { throw misfit }
      return (weight, constant)
    case .whitened:
      guard let previous, previous.projection.shape == [inputs, dimension], previous.mean.elementCount == dimension
      else {
        throw misfit
      }
      let projection = previous.projection.elements(as: Float.self).map(Double.init)
      let mean = previous.mean.elements(as: Float.self).map(Double.init)
      let composed = MatrixMath.product(weight, projection, m: outputs, n: dimension, k: inputs)
      let offset = MatrixMath.product(composed, mean, m: outputs, n: 1, k: dimension)
      return (composed, zip(constant, offset).map { $0 - $1 })
    }
  }
}

/// The constants of a whitened head, in float32.
package struct WhitenedHead: Sendable {
  /// m, [dimension].
  package let mean: Tensor
  /// The first columns of P, [dimension][columns].
  package let projection: Tensor
  /// The weight of the classifier, [classes][dimension]; `nil` without one.
  package let weight: Tensor?
  /// The bias of the classifier, [classes]; `nil` without one.
  package let bias: Tensor?
  /// Whether the classifier reads the embedding. It reads the vectors before whitening where the embedding has fewer
  /// dimensions.
  package var readsEmbedding: Bool { projection.shape[1] == projection.shape[0] }

  /// Folds a whitening into a head. With all columns, the classifier reads the embedding, as in the checkpoints of
  /// MultiGrain's authors; with fewer, it reads the vectors before whitening.
  ///
  /// - Parameter columns: the number of elements of an embedding, from 1 to the dimension of the vectors.
  /// - Throws: `WhiteningError.unusable` where the classifier does not fit.
  package init(_ whitening: Whitening, columns: Int, on head: WhiteningHead) throws(WhiteningError) {
    mean = Tensor(whitening.mean.map(Float.init))
    projection = Tensor(
      whitening.projection(columns: columns).map(Float.init), shape: [whitening.dimension, columns])
    guard let classifier = try head.classifier(dimension: whitening.dimension) else {
      (weight, bias) = (nil, nil)
      return
    }
    let folded =
      columns == whitening.dimension
      ? whitening.folded(weight: classifier.weight, constant: classifier.constant)
      : (classifier.weight, classifier.constant)
    weight = Tensor(folded.0.map(Float.init), shape: [classifier.constant.count, whitening.dimension])
    bias = Tensor(folded.1.map(Float.init))
  }
}
