import Pixels

/// The operations of Pillow's ImageEnhance, which blend the image with a degenerate version of itself in single
/// precision. The results are those of Pillow's `blend`, bit for bit. Factor 0 gives the degenerate version, 1 the
/// image; with factors outside of 0...1, values are clipped.
extension RGBImage {
  /// The image with its brightness scaled; the degenerate version is black.
  package func withBrightness(_ factor: Float) -> RGBImage { mapped { blend(0, $0, factor) } }

  /// The image with its contrast scaled; the degenerate version is the mean of the luminance.
  package func withContrast(_ factor: Float) -> RGBImage {
    var sum = 0
    for pixel in stride(from: 0, to: pixels.count, by: 3) { sum += Int(luminance(pixel)) }
    let mean = UInt8(Double(sum) / Double(width * height) + 0.5)
    return mapped { blend(mean, $0, factor) }
  }

  /// The image with its saturation scaled; the degenerate version is the luminance.
  package func withSaturation(_ factor: Float) -> RGBImage {
    replacingPixels { output in
      for pixel in stride(from: 0, to: pixels.count, by: 3) {
        let grey = luminance(pixel)
        for channel in pixel..<pixel + 3 { output[channel] = blend(grey, pixels[channel], factor) }
      }
    }
  }

  /// The image with its sharpness scaled; the degenerate version is smoothed by the kernel (1 1 1, 1 5 1, 1 1 1) / 13,
  /// except at the border, whose pixels do not change.
  package func withSharpness(_ factor: Float) -> RGBImage {
    let stride = width * 3
    return replacingPixels { output in
      _ = output.update(fromContentsOf: pixels)
      pixels.withUnsafeBufferPointer { input in
        for y in 1..<max(height - 1, 1) {
          for index in y * stride + 3..<max((y + 1) * stride - 3, y * stride + 3) {
            var sum = 4 * Int(input[index])
            for row in [index - stride, index, index + stride] {
              sum += Int(input[row - 3]) + Int(input[row]) + Int(input[row + 3])
            }
            // The nearest integer to sum / 13. There are no ties, since 13 is odd.
            output[index] = blend(UInt8((2 * sum + 13) / 26), input[index], factor)
          }
        }
      }
    }
  }

  /// Pillow's conversion to "L" (ITU-R BT.601 weights in 16 fractional bits).
  private func luminance(_ pixel: Int) -> UInt8 {
    let sum = 19595 * Int(pixels[pixel]) + 38470 * Int(pixels[pixel + 1]) + 7471 * Int(pixels[pixel + 2])
    return UInt8((sum + 0x8000) >> 16)
  }

  private func replacingPixels(_ body: (UnsafeMutableBufferPointer<UInt8>) -> Void) -> RGBImage {
    let replaced = [UInt8](unsafeUninitializedCapacity: pixels.count) { output, count in
      body(UnsafeMutableBufferPointer(rebasing: output[..<pixels.count]))
      count = pixels.count
    }
    return RGBImage(width: width, height: height, checked: replaced)
  }
}

private func blend(_ degenerate: UInt8, _ value: UInt8, _ factor: Float) -> UInt8 {
  let blended = Float(degenerate) + factor * Float(Int(value) - Int(degenerate))
  return UInt8(min(max(blended, 0), 255))
}
