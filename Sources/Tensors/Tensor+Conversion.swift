extension Tensor {
  /// The values as float32, row-major and contiguous: exact for float16 and bfloat16, rounded to nearest for float64.
  /// `nil` for integers and booleans, because using them as weights would be a mistake.
  package func asFloat32() -> Tensor? {
    switch elementType {
    case .float32: contiguous()
    case .float64: converted(from: Double.self) { Float($0) }
    case .bfloat16: convertedBits { Float(bitPattern: UInt32($0) << 16) }
    case .float16: convertedBits { Float(halfBits: $0) }
    default: nil
    }
  }

  private func converted<Source: TensorElement>(from: Source.Type, _ convert: (Source) -> Float) -> Tensor {
    withElements(as: Source.self) { source in
      Tensor(shape: shape, of: Float.self) { target in
        for i in source.indices { target[i] = convert(source[i]) }
      }
    }
  }

  private func convertedBits(_ convert: (UInt16) -> Float) -> Tensor {
    withBytes { source in
      Tensor(shape: shape, of: Float.self) { target in
        for i in target.indices { target[i] = convert(source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) }
      }
    }
  }
}

extension Float {
  /// The value of an IEEE 754 binary16 bit pattern, exactly. (Swift's `Float16` is not available on every x86-64
  /// platform.)
  package init(halfBits: UInt16) {
    let sign = UInt32(halfBits & 0x8000) << 16
    let exponent = UInt32(halfBits >> 10) & 0x1F
    let fraction = UInt32(halfBits & 0x3FF)
    switch (exponent, fraction) {
    case (0, 0): self.init(bitPattern: sign)
    case (0, _):
      let magnitude = Float(fraction) * 0x1p-24
      self = sign == 0 ? magnitude : -magnitude
    case (0x1F, _): self.init(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: self.init(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }
}
