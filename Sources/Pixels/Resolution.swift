/// How a network is used on images: their size, how they are resized and cropped, and the exponent of GeM pooling.
/// MultiGrain networks are used at sizes that they were not trained for, with an exponent fitted to each (Berman et
/// al., arXiv 1902.05509, section 3.4).
package struct Resolution: Hashable, Sendable {
  /// The size, the resizing and the crop.
  package let evaluation: EvaluationProtocol
  /// The exponent p of GeM pooling: positive, and infinite for maximum pooling; `nil` to keep the network's exponent.
  package let poolingExponent: Double?

  /// - Parameter poolingExponent: `nil` to keep the network's exponent.
  package init(_ evaluation: EvaluationProtocol, poolingExponent: Double? = nil) {
    self.evaluation = evaluation
    self.poolingExponent = poolingExponent
  }

  /// The size in pixels: both sides of a square crop, or the long side of a rectangular one.
  package var side: Int { evaluation.size }
}
