import Glibc
import Pixels

/// The geometric operations of AutoAugment, with the results of Pillow's `transform(AFFINE, NEAREST)`: each output
/// pixel is the nearest input pixel at the transformed position, in Pillow's 16.16 fixed-point arithmetic. Outside of
/// the image it is mid-grey.
extension RGBImage {
  /// The value of pixels that the transformed image does not cover.
  private static let fill: UInt8 = 128

  /// The image rotated anticlockwise about its centre, in the same size.
  package func rotated(degrees: Double) -> RGBImage {
    let turned = degrees.truncatingRemainder(dividingBy: 360)
    let angle = -(turned < 0 ? turned + 360 : turned) * (Double.pi / 180)
    // Pillow rounds to 15 decimals, so that right angles have exact zeros.
    func rounded(_ value: Double) -> Double { (value * 1e15).rounded(.toNearestOrEven) / 1e15 }
    let (a, b, d, e) = (rounded(cos(angle)), rounded(sin(angle)), rounded(-sin(angle)), rounded(cos(angle)))
    let (x, y) = (Double(width) / 2, Double(height) / 2)
    return transformed([a, b, a * -x + b * -y + x, d, e, d * -x + e * -y + y])
  }

  /// The image with each row moved by `factor` times its distance from the top, in the same size.
  package func sheared(horizontally factor: Double) -> RGBImage { transformed([1, factor, 0, 0, 1, 0]) }

  /// The output at (x, y) is the input at (m0 x + m1 y + m2, m3 x + m4 y + m5), in coordinates of pixel centres.
  private func transformed(_ m: [Double]) -> RGBImage {
    func fixed(_ value: Double) -> Int { Int((value * 65536 + 0.5).rounded(.down)) }
    let (xStep, yStep) = ((fixed(m[0]), fixed(m[3])), (fixed(m[1]), fixed(m[4])))
    var start = (fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), fixed(m[5] + m[3] * 0.5 + m[4] * 0.5))
    let transformed = [UInt8](unsafeUninitializedCapacity: pixels.count) { output, count in
      output.initialize(repeating: Self.fill)
      pixels.withUnsafeBufferPointer { input in
        for row in stride(from: 0, to: input.count, by: width * 3) {
          var position = start
          for to in stride(from: row, to: row + width * 3, by: 3) {
            let (x, y) = (position.0 >> 16, position.1 >> 16)
            if x >= 0, x < width, y >= 0, y < height {
              let from = (y * width + x) * 3
              for channel in 0..<3 { output[to + channel] = input[from + channel] }
            }
            position = (position.0 + xStep.0, position.1 + xStep.1)
          }
          start = (start.0 + yStep.0, start.1 + yStep.1)
        }
      }
      count = pixels.count
    }
    return RGBImage(width: width, height: height, checked: transformed)
  }
}
