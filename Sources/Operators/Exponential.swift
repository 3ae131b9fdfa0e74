/// e^x with a relative error below 5e-16, for x from -708 to 709. Arguments outside of this range are clipped to it.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, and e^x = 2^n e^r (Cody and Waite, "Software Manual for the Elementary
/// Functions", chapter 6). e^r is computed by its series up to r^13 / 13!, which omits less than 5e-18. There are no
/// branches, so that the compiler can vectorise loops.
@inline(__always)
package func exponential(_ x: Double) -> Double {
  let x = min(max(x, -708), 709)
  // Adding this number rounds to an integer, which is then in the lowest bits of the sum.
  let shift = 0x1.8p52
  let shifted = x * 1.442_695_040_888_963_4 + shift
  let n = shifted - shift
  // ln 2 in two parts. The first has so few bits that its products are exact.
  let r = (x - n * 0x1.62e42fefap-1) - n * 0x1.cf79abc9e3b3ap-40
  // In this order, few operations depend on the previous one.
  let (r2, r4) = (r * r, (r * r) * (r * r))
  let low = (1 + r) + r2 * (0.5 + r * (1.0 / 6))
  let middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040))
  let high = (1.0 / 40_320 + r * (1.0 / 362_880)) + r2 * (1.0 / 3_628_800 + r * (1.0 / 39_916_800))
  let highest = 1.0 / 479_001_600 + r * (1.0 / 6_227_020_800)
  let series = (low + r4 * middle) + (r4 * r4) * (high + r4 * highest)
  return series * Double(bitPattern: (shifted.bitPattern &+ 1023) &<< 52)
}
