import Files
import PackageFormat
import Tensors

/// Packages (formats/package.md): hashes are made right, and contents of sections are changed uncompressed.
struct PackageMutator: Mutator {
  private static let (entrySize, headerSize) = (96, 160)

  func repair(_ bytes: inout [UInt8]) {
    guard bytes.count >= Self.headerSize else { return }
    bytes.set([UInt8].little(UInt64(bytes.count)), at: 24)
    if let index = bytes.integer(at: 32, byteCount: 8), index >= Self.headerSize, index <= bytes.count {
      bytes.set([UInt8].little(UInt64(bytes.count - index)), at: 40)
      var content = Array("quern content 1\n".utf8)
      for entry in stride(from: index, through: bytes.count - Self.entrySize, by: Self.entrySize) {
        let offset = bytes.integer(at: entry + 8, byteCount: 8)
        if let range = bytes.part(offset, bytes.integer(at: entry + 16, byteCount: 8)) {
          let hash = SHA256.hash(Array(bytes[range])).bytes
          if bytes[entry + 1] == 0 { bytes.set(hash, at: entry + 32) }
          bytes.set(hash, at: entry + 64)
        }
        if bytes[entry + 2] == 1 { content += [bytes[entry]] + bytes[entry + 24..<entry + 64] }
      }
      bytes.set(SHA256.hash(Array(bytes[index...])).bytes, at: 64)
      bytes.set(SHA256.hash(content).bytes, at: 96)
    }
    bytes.set(SHA256.hash(Array(bytes[..<128])).bytes, at: 128)
  }

  func changed(_ bytes: [UInt8], limit: Int, _ random: inout Draws) -> [UInt8]? {
    let storage = TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
    guard let reader = try? PackageReader(storage: storage, path: "input"), !reader.sections.isEmpty else { return nil }
    let chosen = random.below(reader.sections.count)
    var sections: [PendingSection] = []
    for (number, section) in reader.sections.enumerated() {
      guard number == chosen, let old = try? reader.contents(ofSection: number) else {
        sections.append(PendingSection(copying: number, of: reader))
        continue
      }
      if random.chance(oneIn: 16) { continue }
      let contents = Fuzzing.mutated(old.withBytes { Array($0) }, limit: limit)
      let new = PendingSection(
        kind: section.kind, isCritical: section.isCritical, contents: .array(contents),
        compressing: random.chance(oneIn: 8))
      sections += random.chance(oneIn: 16) ? [new, PendingSection(copying: number, of: reader)] : [new]
    }
    return try? PackageLayout(sections).bytes
  }
}
