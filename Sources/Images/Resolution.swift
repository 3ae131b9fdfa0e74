/// How images are looked at: at which size, cropped and resized how, and by which exponent GeM pools what the trunk makes of
/// them. MultiGrain networks are used at sizes that they were not trained for, with an exponent fitted to each (Berman et al.,
/// arXiv 1902.05509, section 3.4).
package struct Resolution: Hashable, Sendable {
  package let evaluation: EvaluationProtocol
  /// The exponent p of generalised-mean pooling: positive, infinite for maximum pooling; `nil`: the network's, as it is.
  package let poolingExponent: Double?

  package init(_ evaluation: EvaluationProtocol, poolingExponent: Double? = nil) {
    self.evaluation = evaluation
    self.poolingExponent = poolingExponent
  }

  /// The side in pixels: of both sides of a square crop, of the long side of a rectangular one.
  package var side: Int { evaluation.size }
}
