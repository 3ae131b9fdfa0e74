import Checkpoints
import Files
import Glibc
import Tensors
import Testing

/// The files that make_checkpoint_fixtures.py and make_mindspore_fixtures.py (scripts/fixtures) made.
enum Fixtures {
  static let folder: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/") + "/fixtures/checkpoints"
  }()

  static func bytes(_ name: String) throws -> [UInt8] {
    try MappedFile(path: "\(folder)/\(name)").withBytes { Array($0) }
  }

  static func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }
}

/// What can be compared of a checkpoint's tensors.
struct Contents: Equatable {
  struct Item: Equatable {
    var name: String
    var kind: String
    var bytes: [UInt8]
  }

  var items: [Item]

  init(_ checkpoint: Checkpoint) {
    items = checkpoint.tensors.map { name, tensor in
      Item(name: name, kind: "\(tensor.elementType) \(tensor.shape)", bytes: tensor.withBytes { Array($0) })
    }
  }

  init(items: [Item]) { self.items = items }
}

/// A file that tests write over and over, gone afterwards.
final class TemporaryFile {
  let path = "\(TemporaryFile.folder)/quern-checkpoint-\(String(UInt64.random(in: .min ... .max), radix: 36))"

  /// In memory where there is such a place: some tests write tens of thousands of files.
  private static let folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"

  init(_ bytes: [UInt8] = []) { write(bytes) }

  deinit { unlink(path) }

  func write(_ bytes: [UInt8]) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    #expect(Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
    close(descriptor)
  }

  func truncate(to count: Int) { #expect(Glibc.truncate(path, count) == 0) }

  func read() throws(CheckpointError) -> Checkpoint { try Checkpoint.read(path: path) }
}

/// The description of the error that reading `bytes` ends with, or `nil`.
func refusal(of bytes: [UInt8]) -> String? {
  do {
    _ = try TemporaryFile(bytes).read()
    return nil
  } catch { return error.description }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}

/// A file with one to four places changed, removed or repeated.
func mutation(of original: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
  var bytes = original
  for _ in 0..<Int.random(in: 1...4, using: &generator) {
    let position = Int.random(in: bytes.indices, using: &generator)
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
    case 1: bytes[position] = .random(in: .min ... .max, using: &generator)
    case 2: bytes[position] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
    case 3: bytes.remove(at: position)
    case 4: bytes.insert(bytes[Int.random(in: bytes.indices, using: &generator)], at: position)
    default:  // an integer's worth of extremes
      for i in position..<min(position + 8, bytes.count) { bytes[i] = i == position + 7 ? 0x7F : 0xFF }
    }
    if bytes.isEmpty { bytes = [0] }
  }
  return bytes
}

func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
