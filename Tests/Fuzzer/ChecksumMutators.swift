import CZlib

/// The CRC-32 of zip, PNG and MindSpore.
private func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
  UInt32(truncatingIfNeeded: bytes.withUnsafeBytes { crc32(0, $0.baseAddress, UInt32($0.count)) })
}

/// Zip files whose entries are stored: CRCs are made right, and an entry is changed in length, too.
struct ZipMutator: Mutator {
  private struct Entry {
    /// The position of the entry in the central directory.
    let record: Int
    let name: [UInt8]
    let data: Range<Int>
  }

  private func entries(_ bytes: [UInt8]) -> [Entry] {
    guard
      let end = stride(from: bytes.count - 22, through: 0, by: -1).first(where: {
        bytes[$0...].starts(with: [80, 75, 5, 6])
      }),
      var record = bytes.integer(at: end + 16, byteCount: 4)
    else { return [] }
    var entries: [Entry] = []
    while entries.count < 64, let head = bytes.part(record, 46), bytes[head].starts(with: [80, 75, 1, 2]),
      let nameLength = bytes.integer(at: record + 28, byteCount: 2),
      let extra = bytes.integer(at: record + 30, byteCount: 2),
      let comment = bytes.integer(at: record + 32, byteCount: 2),
      let name = bytes.part(record + 46, nameLength), let local = bytes.integer(at: record + 42, byteCount: 4),
      let localName = bytes.integer(at: local + 26, byteCount: 2),
      let localExtra = bytes.integer(at: local + 28, byteCount: 2),
      let data = bytes.part(local + 30 + localName + localExtra, bytes.integer(at: record + 20, byteCount: 4))
    {
      entries.append(Entry(record: record, name: Array(bytes[name]), data: data))
      record += 46 + nameLength + extra + comment
    }
    return entries
  }

  func repair(_ bytes: inout [UInt8]) {
    for entry in entries(bytes) { bytes.set([UInt8].little(checksum(bytes[entry.data])), at: entry.record + 16) }
  }

  func changed(_ bytes: [UInt8], limit: Int, _ random: inout Draws) -> [UInt8]? {
    let entries = entries(bytes)
    guard !entries.isEmpty else { return nil }
    // Most of the structure is in the pickle.
    let pickle = entries.firstIndex { $0.name.suffix(8).elementsEqual("data.pkl".utf8) }
    let chosen = random.chance(oneIn: 4) ? random.below(entries.count) : pickle ?? 0
    var (file, directory) = ([UInt8](), [UInt8]())
    for (number, entry) in entries.enumerated() {
      var data = Array(bytes[entry.data])
      if number == chosen { data = Fuzzing.mutated(data, limit: limit) }
      let fields =
        [UInt8].little(UInt16(0)) + [UInt8].little(UInt16(0)) + [UInt8].little(UInt32(0))
        + [UInt8].little(checksum(data[...])) + [UInt8].little(UInt32(data.count)) + [UInt8].little(UInt32(data.count))
        + [UInt8].little(UInt16(entry.name.count)) + [0, 0]
      directory += [80, 75, 1, 2, 0, 0, 0, 0] + fields + [UInt8](repeating: 0, count: 10)
      directory += [UInt8].little(UInt32(file.count)) + entry.name
      file += [80, 75, 3, 4, 0, 0] + fields + entry.name + data
    }
    let end =
      [80, 75, 5, 6, 0, 0, 0, 0] + [UInt8].little(UInt16(entries.count)) + [UInt8].little(UInt16(entries.count))
      + [UInt8].little(UInt32(directory.count)) + [UInt8].little(UInt32(file.count)) + [0, 0]
    return file + directory + end
  }
}

/// Tar files: the checksums of headers are made right.
struct TarMutator: Mutator {
  func repair(_ bytes: inout [UInt8]) {
    var header = 0
    while header + 512 <= bytes.count {
      let text = bytes[header + 124..<header + 136].prefix { (48...55).contains($0) }
      let size = text.reduce(0) { ($0 << 3 | Int($1 & 7)) & 0xFFFF_FFFF }
      for index in header + 148..<header + 156 { bytes[index] = 32 }
      let sum = bytes[header..<header + 512].reduce(0) { $0 + Int($1) }
      let digits = String(sum, radix: 8)
      bytes.set(
        Array((String(repeating: "0", count: max(6 - digits.utf8.count, 0)) + digits).utf8) + [0, 32], at: header + 148)
      header += 512 + (size + 511) / 512 * 512
    }
  }
}

/// MindSpore's checkpoints: the CRC at the end, where there is one, is made right.
struct MindSporeMutator: Mutator {
  func repair(_ bytes: inout [UInt8]) {
    let start = bytes.count - 17
    guard start >= 0, bytes[start...].starts(with: "crc_num".utf8) else { return }
    bytes.set([0, 0] + [UInt8].little(UInt64(checksum(bytes[..<start]))).reversed(), at: start + 7)
  }
}

/// PNG files: the CRCs of chunks are made right, and pixel data is changed uncompressed.
struct PNGMutator: Mutator {
  /// The positions of chunks and the lengths of their data.
  private func chunks(_ bytes: [UInt8]) -> [(start: Int, length: Int)] {
    var (chunks, start) = ([(start: Int, length: Int)](), 8)
    while start + 12 <= bytes.count {
      let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - start - 12 else { break }
      chunks.append((start, length))
      start += 12 + length
    }
    return chunks
  }

  func repair(_ bytes: inout [UInt8]) {
    for (start, length) in chunks(bytes) {
      bytes.set(
        [UInt8].little(checksum(bytes[start + 4..<start + 8 + length])).reversed(), at: start + 8 + length)
    }
  }

  func changed(_ bytes: [UInt8], limit: Int, _ random: inout Draws) -> [UInt8]? {
    let all = chunks(bytes)
    let data = all.filter { bytes[$0.start + 4..<$0.start + 8].elementsEqual("IDAT".utf8) }
    guard let first = data.first, let last = data.last else { return nil }
    let compressed = data.flatMap { bytes[$0.start + 8..<$0.start + 8 + $0.length] }
    guard let rows = inflated(compressed), let new = deflated(Fuzzing.mutated(rows, limit: 1 << 16)) else { return nil }
    let body = Array("IDAT".utf8) + new
    let chunk = [UInt8].little(UInt32(new.count)).reversed() + body + [UInt8].little(checksum(body[...])).reversed()
    return bytes[..<first.start] + chunk + bytes[(last.start + 12 + last.length)...]
  }

  private func inflated(_ bytes: [UInt8]) -> [UInt8]? {
    var count = uLong(1 << 16)
    var result = [UInt8](repeating: 0, count: 1 << 16)
    guard uncompress(&result, &count, bytes, uLong(bytes.count)) == Z_OK else { return nil }
    return Array(result[..<Int(count)])
  }

  private func deflated(_ bytes: [UInt8]) -> [UInt8]? {
    var count = compressBound(uLong(bytes.count))
    var result = [UInt8](repeating: 0, count: Int(count))
    guard compress2(&result, &count, bytes, uLong(bytes.count), 1) == Z_OK else { return nil }
    return Array(result[..<Int(count)])
  }
}
