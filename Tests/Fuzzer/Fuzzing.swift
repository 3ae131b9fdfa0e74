import CLibFuzzer
import FuzzTargets
import Glibc

/// Connects a target with libFuzzer, whose callbacks have no context.
enum Fuzzing {
  private struct State {
    let target: FuzzTarget
    let mutator: (any Mutator)?
  }

  /// Set once, before libFuzzer starts.
  nonisolated(unsafe) private static var state: State?

  /// Fuzzes a target.
  ///
  /// - Parameter options: the arguments of libFuzzer, the program's name first.
  /// - Returns: the exit status.
  static func run(_ target: FuzzTarget, options: [String]) -> Int32 {
    state = State(target: target, mutator: mutator(for: target.name))
    var pointers = options.map { strdup($0) } + [nil]
    return pointers.withUnsafeMutableBufferPointer { pointers in
      quern_fuzz_main(
        Int32(options.count), pointers.baseAddress,
        { data, size in
          Fuzzing.state?.target.run(UnsafeRawBufferPointer(start: data, count: size), alwaysDescribes: false)
        },
        { data, size, limit, seed in
          guard let data else { return 0 }
          return Fuzzing.mutate(UnsafeMutableRawBufferPointer(start: data, count: limit), size: size, seed: seed)
        })
    }
  }

  private static func mutator(for name: String) -> (any Mutator)? {
    switch name {
    case "zip": ZipMutator()
    case "tar": TarMutator()
    case "mindspore": MindSporeMutator()
    case "png": PNGMutator()
    case "package", "package-run": PackageMutator()
    case "patch": PatchMutator()
    default: nil
    }
  }

  private static func mutate(_ buffer: UnsafeMutableRawBufferPointer, size: Int, seed: UInt32) -> Int {
    let data = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    var random = Draws(state: UInt64(seed) | 1)
    guard let mutator = state?.mutator, !random.chance(oneIn: 8) else {
      return quern_fuzz_mutate_bytes(data, size, buffer.count)
    }
    var bytes = Array(buffer[..<size])
    if !random.chance(oneIn: 3), let changed = mutator.changed(bytes, limit: buffer.count, &random) {
      bytes = changed
    } else {
      bytes = mutated(bytes, limit: buffer.count)
      mutator.repair(&bytes)
    }
    guard bytes.count <= buffer.count else { return quern_fuzz_mutate_bytes(data, size, buffer.count) }
    buffer.copyBytes(from: bytes)
    return bytes.count
  }

  /// The bytes after one of libFuzzer's own mutations.
  ///
  /// - Parameter limit: the largest size of the result.
  static func mutated(_ bytes: [UInt8], limit: Int) -> [UInt8] {
    let limit = max(limit, 1)
    var buffer = Array(bytes.prefix(limit)) + [UInt8](repeating: 0, count: max(limit - bytes.count, 0))
    let size = buffer.withUnsafeMutableBufferPointer {
      quern_fuzz_mutate_bytes($0.baseAddress, min(bytes.count, limit), limit)
    }
    return Array(buffer[..<size])
  }
}

/// Changes files of a format in which checksums or compression stand between a mutation and the parser.
protocol Mutator: Sendable {
  /// Corrects the checksums of a file, as far as its structure can still be made out.
  func repair(_ bytes: inout [UInt8])

  /// The file with a change to a part of what it contains, encoded again; `nil` where this cannot be done.
  ///
  /// - Parameter limit: the largest size of the result.
  func changed(_ bytes: [UInt8], limit: Int, _ random: inout Draws) -> [UInt8]?
}

extension Mutator {
  func changed(_ bytes: [UInt8], limit: Int, _ random: inout Draws) -> [UInt8]? { nil }
}

/// Small random numbers that depend on libFuzzer's seed alone (xorshift64, Marsaglia, "Xorshift RNGs", 2003).
struct Draws {
  var state: UInt64

  mutating func below(_ limit: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state >> 33) % max(limit, 1)
  }

  mutating func chance(oneIn count: Int) -> Bool { below(count) == 0 }
}

extension [UInt8] {
  /// The little-endian number at an offset; `nil` where it ends outside.
  func integer(at offset: Int, byteCount: Int) -> Int? {
    guard offset >= 0, byteCount <= count, offset <= count - byteCount else { return nil }
    let value = self[offset..<offset + byteCount].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int(exactly: value)
  }

  /// The bytes in a range given by its start and its length; `nil` where it ends outside.
  func part(_ start: Int?, _ length: Int?) -> Range<Int>? {
    guard let start, let length, start >= 0, length >= 0, length <= count, start <= count - length else { return nil }
    return start..<start + length
  }

  /// Overwrites bytes from an offset on, which must have room for them.
  mutating func set(_ bytes: some Collection<UInt8>, at offset: Int) {
    replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }

  /// The bytes of an integer, little-endian.
  static func little(_ value: some FixedWidthInteger) -> [UInt8] {
    Swift.withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
  }
}
