import Conversion
import Foundation
import PackageFormat
import Testing

@Suite struct SealedPackageTests {
  private static let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "fixtures/packages/version-1.0-converted.quern")

  /// What the disk changed after writing, at any byte, or cut short.
  @Test func whatWasNotWrittenIsNoticed() throws {
    let reader = try PackageReader.open(path: Self.package.path)
    let copy = FileManager.default.temporaryDirectory.appending(path: "quern-\(UUID().uuidString).quern")
    defer { try? FileManager.default.removeItem(at: copy) }
    let summary = try PackageWriter.write(reader, metadata: try reader.metadata(), to: copy.path)
    try SealedPackage.check(copy.path, is: summary, named: "a.quern")
    let bytes = try Data(contentsOf: copy)
    var changes = stride(from: 0, to: bytes.count, by: 251).map { position in
      var changed = bytes
      changed[position] ^= 0x10
      return changed
    }
    changes += [bytes.dropLast(), bytes + [0]]
    for changed in changes {
      try Data(changed).write(to: copy)
      #expect(throws: ConversionError.self) { try SealedPackage.check(copy.path, is: summary, named: "a.quern") }
    }
    #expect(throws: ConversionError.self) { try SealedPackage.check("/nowhere", is: summary, named: "a.quern") }
  }
}
