/// The counter-based generator Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
/// 3", SC 2011): ten rounds turn a counter of four words and a key of two into four random words, so that any draw of
/// any stream can be computed without the ones before it.
package enum Philox {
  /// The four random words for a counter and a key.
  package static func words(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var (counter, key) = (counter, key)
    for _ in 0..<10 {
      let left = counter.x.multipliedFullWidth(by: 0xD251_1F53)
      let right = counter.z.multipliedFullWidth(by: 0xCD9E_8D57)
      counter = SIMD4(right.high ^ counter.y ^ key.x, right.low, left.high ^ counter.w ^ key.y, left.low)
      key &+= SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return counter
  }
}
