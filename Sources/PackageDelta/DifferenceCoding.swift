/// Differences of integers (formats/patch.md, "Differences"): subtracted modulo 2^bits, numbered in zigzag order (0,
/// -1, 1, -2, …) so that small ones of either sign are small numbers, and split into planes of bytes, lowest first.
/// Elements that changed little have zeros in all but the first plane, which compress to almost nothing.
enum DifferenceCoding {
  /// The differences between two lists of little-endian integers of `width` bytes.
  ///
  /// - Parameters:
  ///   - old: the integers that are subtracted.
  ///   - new: as many bytes as `old`, a multiple of `width`.
  ///   - width: 1, 2, 4 or 8.
  static func encode(old: UnsafeRawBufferPointer, new: UnsafeRawBufferPointer, width: Int) -> [UInt8] {
    precondition(old.count == new.count && new.count % width == 0, "differences need lists of the same length")
    return switch width {
    case 1: encode(old, new, as: UInt8.self)
    case 2: encode(old, new, as: UInt16.self)
    case 4: encode(old, new, as: UInt32.self)
    default: encode(old, new, as: UInt64.self)
    }
  }

  /// The integers that differ from those of `old` by `differences`; the inverse of `encode`.
  static func decode(old: UnsafeRawBufferPointer, differences: UnsafeRawBufferPointer, width: Int) -> [UInt8] {
    precondition(
      old.count == differences.count && old.count % width == 0, "differences need lists of the same length")
    return switch width {
    case 1: decode(old, differences, as: UInt8.self)
    case 2: decode(old, differences, as: UInt16.self)
    case 4: decode(old, differences, as: UInt32.self)
    default: decode(old, differences, as: UInt64.self)
    }
  }

  private static func encode<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer, as type: Bits.Type
  ) -> [UInt8] {
    let width = MemoryLayout<Bits>.size
    let count = new.count / width
    return [UInt8](unsafeUninitializedCapacity: new.count) { planes, initialized in
      for index in 0..<count {
        let before = Bits(littleEndian: old.loadUnaligned(fromByteOffset: index * width, as: Bits.self))
        let after = Bits(littleEndian: new.loadUnaligned(fromByteOffset: index * width, as: Bits.self))
        let difference = after &- before
        let zigzag = (difference << 1) ^ (0 &- (difference >> Bits(Bits.bitWidth - 1)))
        for plane in 0..<width { planes[plane * count + index] = UInt8(truncatingIfNeeded: zigzag >> Bits(8 * plane)) }
      }
      initialized = count * width
    }
  }

  private static func decode<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ old: UnsafeRawBufferPointer, _ differences: UnsafeRawBufferPointer, as type: Bits.Type
  ) -> [UInt8] {
    let width = MemoryLayout<Bits>.size
    let count = old.count / width
    return [UInt8](unsafeUninitializedCapacity: old.count) { bytes, initialized in
      let target = UnsafeMutableRawBufferPointer(bytes)
      for index in 0..<count {
        var zigzag: Bits = 0
        for plane in 0..<width { zigzag |= Bits(differences[plane * count + index]) << Bits(8 * plane) }
        let before = Bits(littleEndian: old.loadUnaligned(fromByteOffset: index * width, as: Bits.self))
        let after = before &+ ((zigzag >> 1) ^ (0 &- (zigzag & 1)))
        target.storeBytes(of: after.littleEndian, toByteOffset: index * width, as: Bits.self)
      }
      initialized = count * width
    }
  }
}
