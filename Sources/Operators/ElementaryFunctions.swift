// Functions for activations that use only the basic operations of IEEE 754, so that results are the same bits on every
// machine, and that have no branches, so that the compiler can vectorise loops.

/// `exp(x) - 1` for x that is not positive, with a relative error below 1e-13.
@inline(__always)
package func exponentialMinusOne(_ x: Double) -> Double {
  // Near 0, the difference would have few digits; the series omits x^8 / 40320.
  let series = x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6 * (1 + x / 7))))))
  return x > -0.02 ? series : exponential(x) - 1
}

/// `log(1 + x)` for x in 0...1, with a relative error below 1e-15.
@inline(__always)
package func logarithmOfOnePlus(_ x: Double) -> Double {
  // log(1 + x) = 2 artanh(s) with s = x / (2 + x), which is at most 1/3; the series omits s^34 / 35.
  let s = x / (2 + x)
  let q = s * s
  let low = 1 + q * (1.0 / 3 + q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11)))))
  let middle = 1.0 / 13 + q * (1.0 / 15 + q * (1.0 / 17 + q * (1.0 / 19 + q * (1.0 / 21 + q * (1.0 / 23)))))
  let high = 1.0 / 25 + q * (1.0 / 27 + q * (1.0 / 29 + q * (1.0 / 31 + q * (1.0 / 33))))
  let q6 = q * q * q * q * q * q
  return 2 * s * (low + q6 * (middle + q6 * high))
}

/// The hyperbolic tangent, with a relative error below 1e-14.
@inline(__always)
package func hyperbolicTangent(_ x: Double) -> Double {
  let power = exponential(-2 * abs(x))
  let quotient = (1 - power) / (1 + power)
  // Near 0, the difference would have few digits; the series omits 0.0036 x^12.
  let q = x * x
  let tail = 62.0 / 2835 - q * (1382.0 / 155_925)
  let series = x * (1 - q * (1.0 / 3 - q * (2.0 / 15 - q * (17.0 / 315 - q * tail))))
  return abs(x) < 0.05 ? series : x < 0 ? -quotient : quotient
}

/// `1 - erf(x)` for x that is not negative, with an absolute error below 1e-15.
///
/// `(1 + 2 x) exp(x^2) erfc(x)` is smooth in `t = (x - k) / (x + k)` from 0 to infinity, and is expanded in t
/// (Shepherd and Laframboise, "Chebyshev Approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity", Mathematics
/// of Computation 36, 1981). Here k is 3.75, and the coefficients are those of the Chebyshev series up to the degree
/// 22, as a polynomial.
@inline(__always)
package func complementaryErrorFunction(_ x: Double) -> Double {
  let x = min(x, 40)
  let t = (x - 3.75) / (x + 3.75)
  let (t2, t4) = (t * t, (t * t) * (t * t))
  let t8 = t4 * t4
  // In this order, few operations depend on the previous one.
  let p0 =
    (1.237_512_630_837_827_5 - 0.140_240_598_585_545_25 * t)
    + t2 * (0.003_585_415_485_479_025_7 + 0.082_276_738_489_995_06 * t)
  let p4 =
    (-0.108_803_930_142_444_62 + 0.092_304_321_164_281_25 * t)
    + t2 * (-0.058_693_398_576_649_34 + 0.028_362_277_372_111_14 * t)
  let p8 =
    (-0.009_746_579_683_265_262 + 0.001_755_626_165_197_065_2 * t)
    + t2 * (0.000_293_714_378_044_958 - 0.000_290_155_352_460_776_57 * t)
  let p12 =
    (5.164_652_974_177_416e-05 + 2.238_756_571_491_181_6e-05 * t)
    + t2 * (-1.143_804_803_334_689_4e-05 - 9.792_625_707_303_523e-07 * t)
  let p16 =
    (1.741_982_158_622_481_6e-06 - 5.084_465_378_687_302e-08 * t)
    + t2 * (-2.485_712_624_801_674_5e-07 + 1.879_082_322_370_048e-08 * t)
  let p20 = 3.197_926_671_666_804e-08 - 1.955_135_886_898_561_6e-09 * t - t2 * 2.623_107_347_133_476e-09
  let series = (p0 + t4 * p4) + t8 * ((p8 + t4 * p12) + t8 * (p16 + t4 * p20))
  return series * exponential(-x * x) / (1 + 2 * x)
}

/// The coefficients of `complementaryErrorFunction` by the power of t.
package let complementaryErrorSeries: [Double] = [
  1.237_512_630_837_827_5, -0.140_240_598_585_545_25, 0.003_585_415_485_479_025_7, 0.082_276_738_489_995_06,
  -0.108_803_930_142_444_62, 0.092_304_321_164_281_25, -0.058_693_398_576_649_34, 0.028_362_277_372_111_14,
  -0.009_746_579_683_265_262, 0.001_755_626_165_197_065_2, 0.000_293_714_378_044_958, -0.000_290_155_352_460_776_57,
  5.164_652_974_177_416e-05, 2.238_756_571_491_181_6e-05, -1.143_804_803_334_689_4e-05, -9.792_625_707_303_523e-07,
  1.741_982_158_622_481_6e-06, -5.084_465_378_687_302e-08, -2.485_712_624_801_674_5e-07, 1.879_082_322_370_048e-08,
  3.197_926_671_666_804e-08, -1.955_135_886_898_561_6e-09, -2.623_107_347_133_476e-09,
]
