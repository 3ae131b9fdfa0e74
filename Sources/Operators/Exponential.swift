/// e^x within 5e-16 of itself, for x below 709 and above -708; beyond, about what it is there.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, and e^x = 2^n e^r (Cody and Waite, "Software Manual for the Elementary Functions",
/// chapter 6), where e^r is its series up to r^13 / 13!, which leaves out less than 5e-18. Without branches, so that loops of
/// it are vectorised.
@inline(__always)
package func exponential(_ x: Double) -> Double {
  let x = min(max(x, -708), 709)
  // Adding and taking off this number rounds to a whole one, which is then in the sum's lowest bits.
  let shift = 0x1.8p52
  let moved = x * 1.442_695_040_888_963_4 + shift
  let n = moved - shift
  // ln 2 in two parts, the first of which has few enough bits for exact products.
  let r = (x - n * 0x1.62e42fefap-1) - n * 0x1.cf79abc9e3b3ap-40
  // In an order whose steps wait little for each other.
  let (r2, r4) = (r * r, (r * r) * (r * r))
  let low = (1 + r) + r2 * (0.5 + r * (1.0 / 6))
  let middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040))
  let high = (1.0 / 40_320 + r * (1.0 / 362_880)) + r2 * (1.0 / 3_628_800 + r * (1.0 / 39_916_800))
  let highest = 1.0 / 479_001_600 + r * (1.0 / 6_227_020_800)
  let series = (low + r4 * middle) + (r4 * r4) * (high + r4 * highest)
  return series * Double(bitPattern: (moved.bitPattern &+ 1023) &<< 52)
}
