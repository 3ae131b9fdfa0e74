import Glibc

/// A filter of Pillow's antialiased resize, which gives the weights of the input samples of each output sample.
package enum ResizeFilter: String, Hashable, Sendable, CaseIterable {
  /// A triangle.
  case bilinear
  /// Keys's cubic convolution with a = -0.5 (IEEE Transactions on Acoustics, Speech, and Signal Processing 29, 1981).
  case bicubic
  /// A windowed sinc of three lobes.
  case lanczos

  /// The radius of the filter, in samples of the input or the output, whichever is coarser.
  var support: Double {
    switch self {
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  /// The weight, before normalisation, of a sample at a distance. Every expression keeps Pillow's order, since bit
  /// identity depends on it.
  func weight(_ distance: Double) -> Double {
    switch self {
    case .bilinear:
      let x = abs(distance)
      return x < 1 ? 1 - x : 0
    case .bicubic:
      let (a, x) = (-0.5, abs(distance))
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    case .lanczos:
      return -3 <= distance && distance < 3 ? Self.sinc(distance) * Self.sinc(distance / 3) : 0
    }
  }

  private static func sinc(_ x: Double) -> Double {
    guard x != 0 else { return 1 }
    let angle = x * Double.pi
    return sin(angle) / angle
  }
}
