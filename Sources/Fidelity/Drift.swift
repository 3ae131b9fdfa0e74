import ReportRules

/// 1 - cos(a, b), from 0 (same direction) to 2 (opposite), computed in double precision.
///
/// A zero vector has no direction: its cosine with any vector, including another zero vector, counts as 0, so that the
/// drift is 1, as in `torch.nn.functional.cosine_similarity`. A vector with a NaN or an infinity has drift 2.
///
/// - Precondition: both vectors have the same number of elements.
package func drift(from reference: [Float], to quantized: [Float]) -> Double {
  precondition(reference.count == quantized.count)
  var dot = 0.0
  var referenceSquares = 0.0
  var quantizedSquares = 0.0
  for (a, b) in zip(reference, quantized) {
    let (a, b) = (Double(a), Double(b))
    dot += a * b
    referenceSquares += a * a
    quantizedSquares += b * b
  }
  guard referenceSquares.isFinite, quantizedSquares.isFinite else { return worstDrift }
  guard referenceSquares > 0, quantizedSquares > 0 else { return 1 }
  // One root of the product, not a product of roots: sqrt(x * x) is exactly x, so equal vectors drift by exactly 0.
  // Squares of floats, and products of their sums, are far from the limits of a double.
  let cosine = dot / (referenceSquares * quantizedSquares).squareRoot()
  return min(max(1 - cosine, 0), worstDrift)
}

/// The drift of opposite embeddings, and of outputs that are not finite.
package let worstDrift = ReportLimits.drifts.upperBound
