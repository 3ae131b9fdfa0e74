import Glibc

/// The random draws of one augmented copy of one image.
///
/// The stream depends only on the seed, the image's key and the repetition, and not on the order or number of images or
/// on the threads. Its words are those of Philox4x32-10 with the seed as key, and with the counters
/// (0, repetition, low, high), (1, repetition, low, high), ..., where low and high are the halves of the image's key.
package struct RandomStream {
  private let key: SIMD2<UInt32>
  private var counter: SIMD4<UInt32>
  private var block = SIMD4<UInt32>()
  private var used = 4

  /// - Parameters:
  ///   - seed: the seed of all streams.
  ///   - imageKey: the image's key, such as the XXH64 of its file.
  ///   - repetition: the number of the image's copy, from 0.
  package init(seed: UInt64, imageKey: UInt64, repetition: UInt32) {
    key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    counter = SIMD4(
      0, repetition, UInt32(truncatingIfNeeded: imageKey), UInt32(truncatingIfNeeded: imageKey >> 32))
  }

  /// The next 32 random bits.
  package mutating func nextWord() -> UInt32 {
    if used == 4 {
      block = Philox.words(counter: counter, key: key)
      counter.x &+= 1
      used = 0
    }
    defer { used += 1 }
    return block[used]
  }

  /// Uniform in 0 ..< 1, with 53 random bits.
  package mutating func nextUnit() -> Double {
    let high = UInt64(nextWord())
    return Double((high << 32 | UInt64(nextWord())) >> 11) * 0x1p-53
  }

  /// Uniform from the lower bound of a range up to its upper bound.
  package mutating func uniform(_ range: ClosedRange<Double>) -> Double {
    range.lowerBound + (range.upperBound - range.lowerBound) * nextUnit()
  }

  /// True with the given probability.
  package mutating func chance(_ probability: Double) -> Bool { nextUnit() < probability }

  /// Uniform in 0 ..< `count`, which is positive and below 2^32, without bias (Lemire, "Fast random integer generation
  /// in an interval", 2019).
  package mutating func below(_ count: Int) -> Int {
    let range = UInt32(truncatingIfNeeded: count)
    let threshold = (0 &- range) % range
    while true {
      let product = nextWord().multipliedFullWidth(by: range)
      if product.low >= threshold { return Int(product.high) }
    }
  }

  /// Normal with mean 0 and standard deviation 1, by the method of Box and Muller.
  package mutating func nextNormal() -> Double {
    let radius = (-2 * log(1 - nextUnit())).squareRoot()
    return radius * cos(2 * Double.pi * nextUnit())
  }

  /// The elements in random order (Fisher and Yates).
  package mutating func shuffled<Element>(_ elements: [Element]) -> [Element] {
    var elements = elements
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, below(last + 1))
    }
    return elements
  }
}
