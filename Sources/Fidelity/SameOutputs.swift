/// Whether two vectors are the same to the last bit, NaN and the sign of zero included, or one is the other times a
/// positive factor, up to the rounding of the products: of embeddings, only the direction counts.
///
/// A factor that could itself be rounding is none, so that vectors of the same length are told apart by a single bit.
/// Vectors of one element differ by a factor only, so that they are compared bit by bit.
package func areSame(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Bool {
  guard a.count == b.count else { return false }
  if a.elementsEqual(b, by: { $0.bitPattern == $1.bitPattern }) { return true }
  guard a.count > 1 else { return false }
  func square(_ values: ArraySlice<Float>) -> Double { values.reduce(0) { $0 + Double($1) * Double($1) } }
  let (squareOfA, squareOfB) = (square(a), square(b))
  guard squareOfA.isFinite, squareOfB.isFinite, squareOfA > 0, squareOfB > 0 else { return false }
  let factor = (squareOfB / squareOfA).squareRoot()
  guard abs(factor - 1) > 1e-6 else { return false }
  // The rounding of a product and of its factor, twice over.
  let rounding = 2 * Double(Float.ulpOfOne)
  return zip(a, b).allSatisfy { x, y in
    abs(Double(y) - factor * Double(x)) <= rounding * abs(Double(y)) + Double(Float.leastNonzeroMagnitude)
  }
}
