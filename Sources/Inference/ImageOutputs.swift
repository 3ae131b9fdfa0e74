import Graphs
import Images
import Operators
import Runtime
import Tensors

/// A network's outputs for one image.
package struct ImageOutputs: Sendable {
  /// L2-normalised, [D].
  package let embedding: [Float]
  /// [classes]; empty without a classifier.
  package let logits: [Float]

  package init(embedding: [Float], logits: [Float]) {
    self.embedding = embedding
    self.logits = logits
  }

  package init(_ outputs: [String: Tensor]) {
    embedding = outputs[GraphOutput.normalizedEmbedding]?.elements(as: Float.self) ?? []
    logits = outputs[GraphOutput.logits]?.elements(as: Float.self) ?? []
  }
}

extension Executable {
  /// The same network, pooling by another exponent if one is given and it pools by GeM.
  package func pooling(by exponent: Double?) throws(GraphError) -> Executable {
    guard let exponent, graph.poolingExponent != nil else { return self }
    return try pooling(by: exponent)
  }
}

extension Session {
  /// Runs one image.
  package func outputs(for image: RGBImage) throws(GraphError) -> ImageOutputs {
    ImageOutputs(try run(pixels: image.pixels, height: image.height, width: image.width))
  }
}
