import PackageFormat
import Pixels
import Random

extension SelfTestRecord {
  /// The pixels of a synthetic image, HWC (formats/package.md, "Self-test section"): tiles of random colours. Their
  /// sides are 1, 4, 16, … pixels from one image to the next, as features of all sizes should respond to some image.
  ///
  /// - Parameter index: the number of the image, from 0.
  package func pixels(ofImage index: Int) -> [UInt8] {
    let side = 1 << (2 * min(index, 15))
    let (rows, columns) = ((height + side - 1) / side, (width + side - 1) / side)
    var stream = RandomStream(seed: seed, imageKey: 0, repetition: UInt32(clamping: index))
    var colors: [UInt8] = []
    while colors.count < rows * columns * 3 {
      let word = stream.nextWord()
      for shift in stride(from: 0, to: 32, by: 8) { colors.append(UInt8(truncatingIfNeeded: word >> UInt32(shift))) }
    }
    return [UInt8](unsafeUninitializedCapacity: height * width * 3) { pixels, count in
      for y in 0..<height {
        for x in 0..<width {
          let tile = 3 * (y / side * columns + x / side)
          for channel in 0..<3 { pixels[3 * (y * width + x) + channel] = colors[tile + channel] }
        }
      }
      count = height * width * 3
    }
  }
}
