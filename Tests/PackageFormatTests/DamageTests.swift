import PackageFormat
import PackageSamples
import Tensors
import Testing

@Suite struct DamageTests {
  private func accepts(_ bytes: [UInt8]) -> Bool {
    do throws(PackageError) {
      _ = try PackageReader(bytes).readAll()
      return true
    } catch {
      #expect(!error.description.isEmpty)
      return false
    }
  }

  @Test(arguments: [true, false])
  func everyFlippedBitIsNoticed(compressing: Bool) throws {
    let original = try PackageWriter.encode(ToyPackages.small(), compressing: compressing)
    #expect(accepts(original))
    var bytes = original
    var unnoticed: [Int] = []
    for bit in 0..<8 * bytes.count {
      bytes[bit / 8] ^= 1 << (bit % 8)
      if accepts(bytes) { unnoticed.append(bit) }
      bytes[bit / 8] ^= 1 << (bit % 8)
    }
    print("small package: \(8 * bytes.count) flips in \(bytes.count) bytes, \(unnoticed.count) not noticed")
    #expect(unnoticed == [])
    #expect(bytes == original)
  }

  /// Without `checkAll`, what is read is still right: only bytes that nothing is read from may differ.
  @Test func whatIsReadIsRightWhateverBitIsFlipped() throws {
    let package = try ToyPackages.small()
    var bytes = try PackageWriter.encode(package)
    for bit in 0..<8 * bytes.count {
      bytes[bit / 8] ^= 1 << (bit % 8)
      defer { bytes[bit / 8] ^= 1 << (bit % 8) }
      guard let reader = try? PackageReader(bytes),
        let graph = try? reader.readGraph(decodeOperator: ToyOperator.decode)
      else { continue }
      for role in ["weight", "bias"] {
        #expect(
          graph.nodes[0].constants[role]?.rawBytes == package.graph.nodes[0].constants[role]?.rawBytes,
          "\(role), bit \(bit)")
      }
    }
  }

  @Test func everyTruncationIsNoticedWhenOpening() throws {
    let bytes = try PackageWriter.encode(ToyPackages.small())
    for length in 0..<bytes.count {
      #expect(throws: PackageError.self, "\(length) bytes") { try PackageReader(Array(bytes[..<length])) }
    }
    #expect(throws: PackageError.fileLength(stated: bytes.count, actual: bytes.count - 1)) {
      try PackageReader(bytes.dropLast())
    }
  }

  @Test func trailingBytesAreNoticedWhenOpening() throws {
    let bytes = try PackageWriter.encode(ToyPackages.small())
    #expect(throws: PackageError.fileLength(stated: bytes.count, actual: bytes.count + 1)) {
      try PackageReader(bytes + [0])
    }
  }

  @Test(
    arguments: [
      (Array("PK\u{3}\u{4}....".utf8), "ZIP"), ([0x80, 0x02, 0x8A, 0x0A, 1, 2, 3, 4], "pickle"),
      (Array("version https://git-lfs.github.com/spec/v1".utf8), "Git LFS"),
      ([0x89] + Array("QUERN\nxyz".utf8), "line ends"), (Array("{\"json\": 1}".utf8), "no format"),
    ] as [([UInt8], String)])
  func otherFilesAreNamed(start: [UInt8], word: String) throws {
    let bytes = start + [UInt8](repeating: 7, count: 300)
    #expect {
      try PackageReader(bytes)
    } throws: {
      guard case .notAPackage(let other) = $0 as? PackageError else { return false }
      return other.contains(word)
    }
  }
}
