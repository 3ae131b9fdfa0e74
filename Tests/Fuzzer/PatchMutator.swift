import CZstd
import Files

/// Patches (formats/patch.md): hashes are made right, and the directory and payloads are changed uncompressed.
struct PatchMutator: Mutator {
  private static let (entrySize, headerSize) = (32, 256)
  /// The largest contents that are changed.
  private static let byteLimit = 1 << 16

  func repair(_ bytes: inout [UInt8]) {
    guard bytes.count >= Self.headerSize else { return }
    bytes.set([UInt8].little(UInt64(bytes.count)), at: 16)
    bytes.set(SHA256.hash(Array(bytes[Self.headerSize...])).bytes, at: 192)
    bytes.set(SHA256.hash(Array(bytes[..<224])).bytes, at: 224)
  }

  func changed(_ bytes: [UInt8], limit: Int, _ random: inout Draws) -> [UInt8]? {
    guard bytes.count >= Self.headerSize, let length = bytes.integer(at: 24, byteCount: 8),
      let stored = bytes.part(Self.headerSize, bytes.integer(at: 32, byteCount: 8)),
      var directory = stored.count == length ? Array(bytes[stored]) : contents(bytes[stored]),
      let payloads = payloads(of: directory, in: bytes, from: stored.upperBound), !payloads.isEmpty
    else { return nil }
    var parts = payloads.map { Array(bytes[$0]) }
    if random.chance(oneIn: 3) {
      directory = Fuzzing.mutated(directory, limit: min(limit, Self.byteLimit))
    } else {
      let chosen = random.below(parts.count)
      guard let part = changed(parts[chosen], encoding: directory[chosen * Self.entrySize + 6], limit: limit, &random)
      else { return nil }
      parts[chosen] = part
      directory.set([UInt8].little(UInt64(part.count)), at: chosen * Self.entrySize + 24)
    }
    let isCompressed = random.chance(oneIn: 4)
    let written = isCompressed ? frame(directory) : directory
    var file = Array(bytes[..<Self.headerSize]) + written + parts.joined()
    file.set([UInt8].little(UInt64(directory.count)), at: 24)
    file.set([UInt8].little(UInt64(written.count)), at: 32)
    repair(&file)
    return file
  }

  /// Where the payload of each entry is.
  private func payloads(of directory: [UInt8], in bytes: [UInt8], from start: Int) -> [Range<Int>]? {
    var (ranges, next) = ([Range<Int>](), start)
    for entry in stride(from: 0, through: directory.count - Self.entrySize, by: Self.entrySize) {
      guard let range = bytes.part(next, directory.integer(at: entry + 24, byteCount: 8)) else { return nil }
      ranges.append(range)
      next = range.upperBound
    }
    return ranges
  }

  /// A payload with other contents, in the same encoding; `nil` where it is not what the encoding says, as where it was
  /// compressed with a prefix.
  private func changed(_ payload: [UInt8], encoding: UInt8, limit: Int, _ random: inout Draws) -> [UInt8]? {
    func other(_ frame: ArraySlice<UInt8>) -> [UInt8]? {
      contents(frame).map { Fuzzing.mutated($0, limit: min(limit, Self.byteLimit)) }
    }
    switch encoding {
    case 0: return Fuzzing.mutated(payload, limit: limit)
    case 1: return other(payload[...]).map(frame)
    default:
      guard let gaps = payload.part(8, payload.integer(at: 4, byteCount: 4)) else { return nil }
      if random.chance(oneIn: 2) {
        guard let changed = other(payload[gaps]) else { return nil }
        let frame = frame(changed)
        return [UInt8].little(UInt32(changed.count)) + [UInt8].little(UInt32(frame.count)) + frame
          + payload[gaps.upperBound...]
      }
      return other(payload[gaps.upperBound...]).map { payload[..<gaps.upperBound] + frame($0) }
    }
  }

  private func contents(_ frame: ArraySlice<UInt8>) -> [UInt8]? {
    let contents = [UInt8](unsafeUninitializedCapacity: Self.byteLimit) { buffer, count in
      let result = frame.withUnsafeBytes { ZSTD_decompress(buffer.baseAddress, buffer.count, $0.baseAddress, $0.count) }
      count = ZSTD_isError(result) == 0 ? result : 0
    }
    return contents.isEmpty ? nil : contents
  }

  private func frame(_ contents: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(contents.count)) { buffer, count in
      count = contents.withUnsafeBytes { ZSTD_compress(buffer.baseAddress, buffer.count, $0.baseAddress, $0.count, 1) }
      precondition(ZSTD_isError(count) == 0, "there is memory for a small frame")
    }
  }
}
