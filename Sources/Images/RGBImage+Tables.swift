import Pixels

/// Operations that map each channel's values by a table, with the results of Pillow's ImageOps and ImageEnhance.
extension RGBImage {
  /// Maps the values of red, green and blue by a table of 256 entries each.
  func mapped(_ red: [UInt8], _ green: [UInt8], _ blue: [UInt8]) -> RGBImage {
    // One table instead of three, so that the compiler has only one bounds check to remove.
    let table = red + green + blue
    precondition(table.count == 768)
    let mapped = [UInt8](unsafeUninitializedCapacity: pixels.count) { output, count in
      table.withUnsafeBufferPointer { table in
        pixels.withUnsafeBufferPointer { input in
          for pixel in stride(from: 0, to: input.count, by: 3) {
            output[pixel] = table[Int(input[pixel])]
            output[pixel + 1] = table[256 + Int(input[pixel + 1])]
            output[pixel + 2] = table[512 + Int(input[pixel + 2])]
          }
        }
      }
      count = pixels.count
    }
    return RGBImage(width: width, height: height, checked: mapped)
  }

  /// Maps all values by a function.
  func mapped(_ transform: (UInt8) -> UInt8) -> RGBImage {
    let table = (0...255).map { transform(UInt8($0)) }
    return mapped(table, table, table)
  }

  /// The image with only the given number of high bits, 0...8, of each value.
  package func posterized(bits: Int) -> RGBImage {
    let mask = UInt8(truncatingIfNeeded: 0xFF00 >> bits)
    return mapped { $0 & mask }
  }

  /// The image with the values that are not below the threshold inverted.
  package func solarized(threshold: Double) -> RGBImage { mapped { Double($0) < threshold ? $0 : 255 - $0 } }

  /// The image with each value replaced by 255 - value.
  package func inverted() -> RGBImage { mapped { 255 - $0 } }

  /// The image with each channel stretched so that its lowest value becomes 0 and its highest 255.
  package func autocontrasted() -> RGBImage {
    let tables = histograms().map { histogram -> [UInt8] in
      guard let low = histogram.firstIndex(where: { $0 > 0 }), let high = histogram.lastIndex(where: { $0 > 0 }),
        low < high
      else { return Array(0...255) }
      let scale = 255.0 / Double(high - low)
      let offset = Double(-low) * scale
      return (0...255).map { UInt8(min(max(Double($0) * scale + offset, 0), 255)) }
    }
    return mapped(tables[0], tables[1], tables[2])
  }

  /// The image with each channel's histogram equalised.
  package func equalized() -> RGBImage {
    let tables = histograms().map { histogram -> [UInt8] in
      guard let high = histogram.lastIndex(where: { $0 > 0 }) else { return Array(0...255) }
      let step = (width * height - histogram[high]) / 255
      guard step > 0 else { return Array(0...255) }
      var sum = step / 2
      return histogram.map { count in
        defer { sum += count }
        return UInt8(min(sum / step, 255))
      }
    }
    return mapped(tables[0], tables[1], tables[2])
  }

  /// The number of pixels with each value, for red, green and blue.
  private func histograms() -> [[Int]] {
    (0..<3).map { channel in
      var histogram = [Int](repeating: 0, count: 256)
      for index in stride(from: channel, to: pixels.count, by: 3) { histogram[Int(pixels[index])] += 1 }
      return histogram
    }
  }
}
