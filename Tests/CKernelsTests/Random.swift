/// SplitMix64: the same numbers for the same seed, everywhere.
struct Random: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func bytes(_ count: Int, extreme: Bool = false) -> [UInt8] {
    (0..<count).map { _ in extreme ? 255 : UInt8.random(in: 0...255, using: &self) }
  }

  /// Weights in [-127, 127]; extreme ones are all 127 or, for every other output of `period` weights, all -127.
  mutating func weights(_ count: Int, extremePeriod period: Int? = nil) -> [Int8] {
    (0..<count).map { i in
      if let period { return i / max(period, 1) % 2 == 0 ? 127 : -127 }
      return Int8.random(in: -127...127, using: &self)
    }
  }

  mutating func floats(_ count: Int, in range: ClosedRange<Float>) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }
}
