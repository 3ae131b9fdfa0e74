import Graphs
import Operators
import Pixels
import Runtime
import Tensors

/// A network's outputs for one image.
package struct ImageOutputs: Sendable {
  /// The L2-normalised embedding, [D]; empty where the network has none.
  package let embedding: [Float]
  /// [classes]; empty where the network has no classifier.
  package let logits: [Float]

  package init(embedding: [Float], logits: [Float]) {
    self.embedding = embedding
    self.logits = logits
  }

  /// - Parameter outputs: the float32 tensors that a session returned for one image, by the names in `GraphOutput`.
  package init(_ outputs: [String: Tensor]) {
    embedding = outputs[GraphOutput.normalizedEmbedding]?.elements(as: Float.self) ?? []
    logits = outputs[GraphOutput.logits]?.elements(as: Float.self) ?? []
  }
}

extension Executable {
  /// The network with another exponent of GeM, or this one if `exponent` is `nil` or the embedding does not come
  /// from one pooling.
  ///
  /// - Throws: `GraphError.attribute` where the exponent is not positive, or `.at` where the pooling cannot run with
  ///   it.
  package func pooling(by exponent: Double?) throws(GraphError) -> Executable {
    guard let exponent, graph.poolingExponent != nil else { return self }
    return try pooling(by: exponent)
  }
}

extension Session {
  /// Runs one image, which has been resized and cropped already.
  ///
  /// - Throws: `GraphError.inputSize` where the network cannot take the image's size.
  package func outputs(for image: RGBImage) throws(GraphError) -> ImageOutputs {
    ImageOutputs(try run(pixels: image.pixels, height: image.height, width: image.width))
  }
}
