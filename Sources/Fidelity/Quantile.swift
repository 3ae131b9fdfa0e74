/// The quantile of sorted values by linear interpolation between the two nearest ranks: definition 7 of Hyndman and Fan
/// (1996), which is numpy's default. Results equal those of `numpy.quantile` bit for bit.
///
/// - Parameters:
///   - fraction: from 0 (the minimum) to 1 (the maximum).
///   - values: in ascending order, without NaN.
/// - Returns: nil if there are no values.
package func quantile(_ fraction: Double, ofSorted values: [Double]) -> Double? {
  guard let last = values.indices.last else { return nil }
  let rank = fraction * Double(last)
  let lower = min(Int(rank), last)
  let upper = min(lower + 1, last)
  let weight = rank - Double(lower)
  let step = values[upper] - values[lower]
  // Computed from the nearer end, so that the result is monotonic and exact at both ends.
  return weight < 0.5 ? values[lower] + step * weight : values[upper] - step * (1 - weight)
}
