import Foundation
import PackageFormat
import Tensors
import Testing

/// A package with changed contents and correct hashes, as someone makes it who wants to mislead.
struct ForgedPackage {
  private var sections: [(kind: SectionKind, isCritical: Bool, contents: [UInt8])]

  /// The package of the demonstration's network, which is converted once.
  init() throws {
    let bytes = try Self.original.get()
    let reader = try PackageReader(
      storage: TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }, path: "original.quern")
    sections = try reader.sections.indices.map { number in
      let entry = reader.sections[number]
      return (entry.kind, entry.isCritical, try reader.contents(ofSection: number).withBytes { Array($0) })
    }
  }

  private static let original = Result {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("quern-test-\(UUID().uuidString).quern")
      .path
    let outcome = try Tool.run([
      "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "4", "--size", "64",
      "--effort", "fast", "-q", "-o", path,
    ])
    try #require(outcome.status <= 1, "\(outcome.errors)")
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try Data(contentsOf: URL(fileURLWithPath: path))
  }

  /// Changes the contents of the first section of a kind.
  mutating func edit(_ kind: SectionKind, _ change: (inout [UInt8]) throws -> Void) rethrows {
    guard let index = sections.firstIndex(where: { $0.kind == kind }) else { return }
    try change(&sections[index].contents)
  }

  /// Changes the contents of every tensor.
  mutating func editTensors(_ change: (inout [UInt8]) -> Void) {
    for index in sections.indices where sections[index].kind == .tensor { change(&sections[index].contents) }
  }

  /// Adds a section.
  mutating func add(_ kind: SectionKind, isCritical: Bool, _ contents: [UInt8]) {
    sections.append((kind, isCritical, contents))
    sections.sort { $0.kind.rawValue < $1.kind.rawValue }
  }

  /// Replaces a string with its length in the graph, wherever it occurs.
  mutating func replace(_ old: String, with new: String) throws {
    try edit(.graph) { contents in
      let (pattern, replacement) = (Self.encoded(old), Self.encoded(new))
      let parts = contents.split(separator: pattern, omittingEmptySubsequences: false)
      try #require(parts.count > 1, "the graph does not contain '\(old)'")
      contents = Array(parts.joined(separator: replacement))
    }
  }

  private static func encoded(_ text: String) -> [UInt8] {
    withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { Array($0) } + Array(text.utf8)
  }

  /// Writes the package, with the hashes that it should have.
  func write(to path: String) throws {
    let layout = try PackageLayout(
      sections.map { PendingSection(kind: $0.kind, isCritical: $0.isCritical, contents: .array($0.contents)) })
    try Data(layout.bytes).write(to: URL(fileURLWithPath: path))
  }
}
