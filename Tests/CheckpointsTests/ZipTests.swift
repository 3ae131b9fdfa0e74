import Checkpoints
import Testing

/// The tricks that zip readers have fallen for, each made of a good file by a small change.
@Suite struct ZipTests {
  /// The offsets of records in bare-zip.pth.
  struct Layout {
    var bytes: [UInt8]
    var locals: [Int]
    var centrals: [Int]
    var end: Int

    init(_ bytes: [UInt8]) {
      self.bytes = bytes
      let all = { (signature: [UInt8]) in
        bytes.indices.filter { bytes[$0] == 0x50 && Array(bytes[$0...].prefix(4)) == signature }
      }
      locals = all([0x50, 0x4B, 3, 4])
      centrals = all([0x50, 0x4B, 1, 2])
      end = all([0x50, 0x4B, 5, 6]).last ?? 0
    }

    /// The data of an entry of the directory.
    func data(_ index: Int) -> Int {
      let header = locals[index]
      return header + 30 + word(header + 26) + word(header + 28)
    }

    func word(_ offset: Int) -> Int { Int(bytes[offset]) | Int(bytes[offset + 1]) << 8 }

    func index(ofEntry suffix: String) -> Int {
      centrals.firstIndex {
        String(decoding: bytes[$0 + 46..<$0 + 46 + word($0 + 28)], as: UTF8.self).hasSuffix(suffix)
      } ?? 0
    }
  }

  static let changes: [(words: String, change: @Sendable (inout Layout) -> Void)] = [
    ("encryption", { $0.bytes[$0.centrals[0] + 8] |= 1 }),
    ("disagrees with the zip directory", { $0.bytes[$0.locals[0] + 6] |= 1 }),
    ("disagrees with the zip directory", { $0.bytes[$0.locals[1] + 30] ^= 1 }),
    ("disagrees with the zip directory", { $0.bytes[$0.locals[1] + 8] = 8 }),
    (
      "compression of",
      { layout in
        for record in [layout.locals[1] + 8, layout.centrals[1] + 10] { layout.bytes[record] = 8 }
      }
    ),
    ("its CRC is wrong", { $0.bytes[$0.data($0.index(ofEntry: "data/0"))] ^= 1 }),
    ("its CRC is wrong", { $0.bytes[$0.data($0.index(ofEntry: "data.pkl")) + 40] ^= 1 }),
    ("its CRC is wrong", { $0.bytes[$0.centrals[$0.index(ofEntry: "data/1")] + 16] ^= 1 }),
    // Two entries with one name.
    (
      "two entries are named",
      { layout in
        let b = layout.index(ofEntry: "data/1")
        for base in [layout.centrals[b] + 46, layout.locals[b] + 30] {
          layout.bytes[base + layout.word(layout.centrals[b] + 28) - 1] = UInt8(ascii: "0")
        }
      }
    ),
    // An entry long enough to hold the next one.
    (
      "overlaps",
      { layout in
        let central = layout.centrals[layout.index(ofEntry: "data/0")]
        for size in [central + 20, central + 24] { layout.bytes[size + 1] &+= 1 }
      }
    ),
    (
      "it disagrees with its zip64 record",
      {
        $0.bytes[$0.end + 8] &+= 1
        $0.bytes[$0.end + 10] &+= 1
      }
    ),
    ("several disks", { $0.bytes[$0.end + 4] = 1 }),
    ("several disks", { $0.bytes[$0.end + 8] &+= 1 }),
    ("does not end here", { $0.bytes[$0.end - 20 - 56 + 40] ^= 1 }),
    ("there is none", { $0.bytes += [0] }),
    ("byte order big", { $0.replace("byteorder", with: "big   ") }),
    ("file format version 99", { $0.replace("/version", with: "99") }),
    ("do not take the", { $0.replace("data.pkl", find: [0x4B, 108], with: [0x4B, 107]) }),
    ("bytes come before the first entry", { $0.prepend([0x50, 0x4B, 3, 4]) }),
  ]

  @Test(arguments: changes.indices) func changeIsRefused(index: Int) throws {
    var layout = Layout(try Fixtures.bytes("bare-zip.pth"))
    Self.changes[index].change(&layout)
    let message = refusal(of: layout.bytes)
    #expect(
      message?.contains(Self.changes[index].words) == true, "\(message ?? "accepted"): \(Self.changes[index].words)")
  }

  @Test func checksumsMayAllBeMissing() throws {
    var layout = Layout(try Fixtures.bytes("bare-zip.pth"))
    for central in layout.centrals { layout.bytes.replaceSubrange(central + 16..<central + 20, with: [0, 0, 0, 0]) }
    let whole = Contents(try TemporaryFile(try Fixtures.bytes("bare-zip.pth")).read())
    #expect(Contents(try TemporaryFile(layout.bytes).read()) == whole)
  }

  @Test func aCommentMayFollow() throws {
    var layout = Layout(try Fixtures.bytes("bare-zip.pth"))
    layout.bytes[layout.end + 20] = 5
    #expect(refusal(of: layout.bytes + Array("hello".utf8)) == nil)
  }
}

extension ZipTests.Layout {
  /// Overwrites the start of an entry, or what is found in it, and drops all CRCs.
  mutating func replace(_ entry: String, find: [UInt8] = [], with text: [UInt8]) {
    let start = data(index(ofEntry: entry))
    let position =
      find.isEmpty ? start : bytes[start...].indices.first { Array(bytes[$0...].prefix(find.count)) == find }
    for (i, byte) in text.enumerated() { bytes[(position ?? start) + i] = byte }
    for central in centrals { bytes.replaceSubrange(central + 16..<central + 20, with: [0, 0, 0, 0]) }
  }

  mutating func replace(_ entry: String, with text: String) { replace(entry, with: Array(text.utf8)) }

  /// Moves everything down, with all offsets of the directory made to fit.
  mutating func prepend(_ prefix: [UInt8]) {
    let add = { (bytes: inout [UInt8], offset: Int, width: Int) in
      var value = (0..<width).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } + prefix.count
      for i in 0..<width {
        bytes[offset + i] = UInt8(truncatingIfNeeded: value)
        value >>= 8
      }
    }
    for central in centrals { add(&bytes, central + 42, 4) }
    add(&bytes, end - 20 + 8, 8)
    add(&bytes, end - 20 - 56 + 48, 8)
    add(&bytes, end + 16, 4)
    bytes = prefix + bytes
  }
}
