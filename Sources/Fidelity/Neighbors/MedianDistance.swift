/// How far the embeddings of different images are from each other: the median of 1 - cos(embedding, another), from 0 to
/// 2, where each image is paired with the one that is half the list after it. A network whose images all have much the
/// same embedding has a small one, and so few exceptions do not hide it.
///
/// - Parameters:
///   - count: the number of images.
///   - embedding: the embedding of an image by its index below `count`; all have as many elements.
/// - Returns: `nil` for fewer than two images.
package func medianDistance(_ count: Int, _ embedding: (Int) -> [Float]) -> Double? {
  guard count > 1 else { return nil }
  let distances = (0..<count).map { drift(from: embedding($0), to: embedding(($0 + count / 2) % count)) }
  return quantile(0.5, ofSorted: distances.sorted())
}
