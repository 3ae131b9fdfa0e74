import Files
import Graphs
import PackageFormat
import PackageSamples
import Tensors

/// A package's bytes that are changed on purpose and signed again, as someone would who wants a reader to trip.
struct Forgery {
  var bytes: [UInt8]

  /// An uncompressed package, so that sections can be changed in place.
  init(_ package: Package, compressing: Bool = false) throws {
    bytes = try PackageWriter.encode(package, compressing: compressing)
  }

  func integer(at offset: Int) -> Int {
    Int(truncatingIfNeeded: (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) })
  }

  mutating func set(_ value: UInt64, at offset: Int, byteCount: Int = 8) {
    for i in 0..<byteCount { bytes[offset + i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * i)) }
  }

  mutating func set(_ new: [UInt8], at offset: Int) { bytes.replaceSubrange(offset..<offset + new.count, with: new) }

  var indexOffset: Int { integer(at: 32) }
  var entryCount: Int { integer(at: 40) / 96 }
  func entry(_ number: Int) -> Int { indexOffset + 96 * number }

  /// Makes the index state the hashes that the sections have.
  mutating func signSections() {
    for number in 0..<entryCount {
      let start = integer(at: entry(number) + 8)
      let hash = SHA256.hash(Array(bytes[start..<start + integer(at: entry(number) + 16)]))
      if bytes[entry(number) + 1] == 0 { set(hash.bytes, at: entry(number) + 32) }
      set(hash.bytes, at: entry(number) + 64)
    }
  }

  /// Makes the header state the hashes that the index and itself have.
  mutating func signIndex() {
    if indexOffset >= 192, indexOffset <= bytes.count {
      var content = Array("quern content 1\n".utf8)
      for start in stride(from: indexOffset, through: bytes.count - 96, by: 96) where bytes[start + 2] & 1 == 1 {
        content += [bytes[start]] + bytes[start + 24..<start + 64]
      }
      set(SHA256.hash(Array(bytes[indexOffset...])).bytes, at: 64)
      set(SHA256.hash(content).bytes, at: 96)
    }
    set(SHA256.hash(Array(bytes[..<128])).bytes, at: 128)
  }

  /// What a reader that checks everything says; `nil` where it accepts.
  var verdict: PackageError? {
    do throws(PackageError) {
      _ = try PackageReader(bytes).readAll()
      return nil
    } catch {
      return error
    }
  }
}

extension PackageError {
  /// The field that the error names.
  var field: String? {
    if case .invalidField(_, let field, _, _) = self { field } else { nil }
  }
}
