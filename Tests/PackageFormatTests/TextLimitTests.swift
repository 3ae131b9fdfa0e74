import Files
import Graphs
import PackageFormat
import PackageSamples
import Testing

/// Limits of names and labels, and of how far texts and frames may expand.
@Suite struct TextLimitTests {
  /// A place for a text in a package, and the field that must be refused for it.
  struct Place: Sendable, CustomTestStringConvertible {
    let field: String
    let section: SectionKind
    let set: @Sendable (inout Package, String) -> Void
    var testDescription: String { field }
  }

  static let places = [
    Place(field: "architecture", section: .graph) { $0.graph.architecture = $1 },
    Place(field: "node name", section: .graph) { $0.graph.nodes[1].name = $1 },
    Place(field: "attribute value", section: .graph) {
      $0.graph.nodes[1].op = ToyOperator(attributes: ["a": .string($1)])
    },
    Place(field: "label", section: .labels) { $0.labels[1] = $1 },
  ]

  @Test(arguments: places)
  func textsTakeAtMost4096Bytes(place: Place) throws {
    var package = try ToyPackages.small()
    let longest = String(repeating: "x", count: 4096)
    place.set(&package, longest)
    let bytes = try PackageWriter.encode(package)
    #expect(try PackageWriter.encode(PackageReader(bytes).readAll()) == bytes)

    // Of a reader: the same with one byte more.
    var sections = try PackageWriter.sections(of: package, threads: 1, compressing: false)
    let index = try #require(sections.firstIndex { $0.kind == place.section })
    guard case .array(var contents) = sections[index].bytes else { return }
    let range = try #require(contents.ranges(of: [0x00, 0x10, 0, 0] + Array(longest.utf8)).first)
    contents.replaceSubrange(range, with: [0x01, 0x10, 0, 0] + Array((longest + "x").utf8))
    sections[index] = PendingSection(
      kind: place.section, isCritical: place.section == .graph, contents: .array(contents))
    #expect { try PackageReader(PackageLayout(sections).bytes) } throws: {
      ($0 as? PackageError)?.field == place.field && "\($0)".contains("4097 bytes are more than the limit of 4096")
    }

    // Of a writer, which refuses what no reader takes.
    place.set(&package, longest + "x")
    #expect { try PackageWriter.encode(package) } throws: {
      guard case .cannotStore(let problem) = $0 as? PackageError else { return false }
      return problem.contains(place.field)
    }
  }

  @Test(arguments: [(127, true), (128, false)])
  func namesTakeAtMost512KiBTogether(count: Int, isAccepted: Bool) throws {
    var package = try ToyPackages.small()
    for index in 0..<count {
      let number = String(1000 + index)
      package.graph.append(
        ToyOperator(attributes: [:]), name: number + String(repeating: "x", count: 4092), inputs: [package.graph.input])
    }
    if isAccepted {
      _ = try PackageReader(PackageWriter.encode(package))
    } else {
      #expect { try PackageWriter.encode(package) } throws: { "\($0)".contains("the limit of 524288 bytes") }
    }
  }

  /// What compresses further is stored, and is refused as a frame.
  @Test(arguments: [SectionKind.labels, .metadata])
  func longTextsExpandByAFactorOf4(kind: SectionKind) throws {
    var package = try ToyPackages.small()
    let count = 120_000
    if kind == .labels {
      package.info.classCount = count
      package.labels = (0..<count).map { "class \($0)" }
    } else {
      package.metadata = String(repeating: #"{"gate": 1}"#, count: count)
    }
    let sections = try PackageWriter.sections(of: package, threads: 1)
    let index = try #require(sections.firstIndex { $0.kind == kind })
    #expect(sections[index].rawLength > 1 << 20 && sections[index].encoding == .stored)
    let reader = try PackageReader(PackageLayout(sections).bytes)
    #expect(try reader.metadata() == package.metadata && reader.labels == package.labels)
    func layout(expanding factor: Int) throws -> PackageLayout {
      var changed = sections
      let frame = [UInt8](repeating: 0, count: sections[index].rawLength / factor)
      (changed[index].encoding, changed[index].bytes) = (.zstd, .array(frame))
      (changed[index].storedLength, changed[index].storedHash) = (frame.count, SHA256.hash(frame))
      return try PackageLayout(changed)
    }
    #expect { try PackageReader(layout(expanding: 5).bytes) } throws: { ($0 as? PackageError)?.field == "raw length" }
    // A frame of an allowed length is looked at, and is none.
    #expect {
      let reader = try PackageReader(layout(expanding: 3).bytes)
      _ = try reader.metadata()
    } throws: {
      guard case .invalidFrame = $0 as? PackageError else { return false }
      return true
    }
  }

  /// The length and the hash of a frame's contents, which are not held as a whole.
  @Test(arguments: [100, 1 << 17, (1 << 17) + 1, 5 << 20])
  func framesAreMeasured(count: Int) throws {
    var random = SplitMix64(state: UInt64(count))
    let words = (0..<count / 32 + 1).map { _ in random.next() }
    // Frames of at least a tenth of the contents.
    var contents: [UInt8] = []
    contents.reserveCapacity(count + 32)
    for word in words {
      withUnsafeBytes(of: word) { contents += $0 }
      contents += [UInt8](repeating: 7, count: 24)
    }
    contents.removeLast(contents.count - count)
    let section = PendingSection(kind: .tensor, isCritical: true, contents: .array(contents))
    try #require(section.encoding == .zstd || count == 100)
    guard section.encoding == .zstd else { return }
    let again = try PendingSection(kind: .tensor, isCritical: true, frame: section.bytes)
    #expect(again.rawLength == count && again.rawHash == section.rawHash && again.storedHash == section.storedHash)
    guard case .array(var frame) = section.bytes else { return }
    frame[frame.count - 1] ^= 1
    #expect(throws: PackageError.self) {
      try PendingSection(kind: .tensor, isCritical: true, frame: .array(frame))
    }
  }
}
