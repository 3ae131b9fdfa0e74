import Pixels

extension RGBImage {
  /// The image turned clockwise by quarters of a turn; no pixel is computed anew.
  package func turned(quarters: Int) -> RGBImage {
    let quarters = (quarters % 4 + 4) % 4
    guard quarters > 0 else { return self }
    let (turnedWidth, turnedHeight) = quarters == 2 ? (width, height) : (height, width)
    let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { destination, count in
      for y in 0..<turnedHeight {
        for x in 0..<turnedWidth {
          let (column, row) =
            switch quarters {
            case 1: (y, height - 1 - x)
            case 2: (width - 1 - x, height - 1 - y)
            default: (width - 1 - y, x)
            }
          let (from, to) = ((row * width + column) * 3, (y * turnedWidth + x) * 3)
          for channel in 0..<3 { destination[to + channel] = pixels[from + channel] }
        }
      }
      count = pixels.count
    }
    return RGBImage(width: turnedWidth, height: turnedHeight, checked: turned)
  }
}
