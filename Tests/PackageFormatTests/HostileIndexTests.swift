import Files
import PackageFormat
import PackageSamples
import Tensors
import Testing

/// A change of one index entry or of the header, and the field that must be refused for it.
struct HostileChange: Sendable, CustomTestStringConvertible {
  var name: String
  /// `nil` for the header.
  var entry: Int?
  var offset: Int
  var value: UInt64
  var byteCount = 8
  var field: String
  var testDescription: String { name }
}

@Suite struct HostileIndexTests {
  // The small package's sections: 0 graph, 1 runtime, 2 labels, 3 and 4 tensors, 5 metadata.
  static let changes: [HostileChange] = [
    .init(name: "offset beyond Int", entry: 3, offset: 8, value: .max, field: "offset"),
    .init(name: "offset near Int.max", entry: 3, offset: 8, value: 0x7FFF_FFFF_FFFF_FFC0, field: "offset"),
    .init(name: "offset before the section", entry: 3, offset: 8, value: 192, field: "offset"),
    .init(name: "offset in the header", entry: 0, offset: 8, value: 0, field: "offset"),
    .init(name: "offset unaligned", entry: 0, offset: 8, value: 193, field: "offset"),
    .init(name: "hole", entry: 0, offset: 8, value: 256, field: "offset"),
    .init(name: "stored length beyond Int", entry: 3, offset: 16, value: .max, field: "stored length"),
    .init(
      name: "stored length near Int.max", entry: 3, offset: 16, value: 0x7FFF_FFFF_FFFF_FFFF, field: "stored length"),
    .init(name: "stored length into the index", entry: 5, offset: 16, value: 100, field: "stored length"),
    .init(name: "overlapping the next", entry: 1, offset: 16, value: 65, field: "raw length"),
    .init(name: "raw length beyond Int", entry: 3, offset: 24, value: 1 << 63, field: "raw length"),
    .init(name: "raw length without compression", entry: 3, offset: 24, value: 9, field: "raw length"),
    .init(name: "graph too long", entry: 0, offset: 24, value: 16 << 20 + 1, field: "raw length"),
    .init(name: "kind 0", entry: 0, offset: 0, value: 0, byteCount: 1, field: "kind"),
    .init(name: "kinds out of order", entry: 2, offset: 0, value: 1, byteCount: 1, field: "flags"),
    .init(name: "second runtime section", entry: 2, offset: 0, value: 0x0001_0002, byteCount: 3, field: "kind"),
    .init(name: "tensors before labels", entry: 1, offset: 0, value: 0x0001_0004, byteCount: 3, field: "kind"),
    .init(name: "unknown encoding", entry: 3, offset: 1, value: 2, byteCount: 1, field: "encoding"),
    .init(name: "compressed without gain", entry: 3, offset: 1, value: 1, byteCount: 1, field: "raw length"),
    .init(name: "critical labels", entry: 2, offset: 2, value: 1, byteCount: 1, field: "flags"),
    .init(name: "ignorable tensor", entry: 3, offset: 2, value: 0, byteCount: 1, field: "flags"),
    .init(name: "unknown flag", entry: 3, offset: 2, value: 3, byteCount: 1, field: "flags"),
    .init(name: "reserved bytes of an entry", entry: 3, offset: 7, value: 1, byteCount: 1, field: "reserved"),
    .init(name: "raw hash of a stored section", entry: 3, offset: 32, value: 0, field: "raw length"),
    .init(name: "version 0", offset: 8, value: 0, byteCount: 2, field: "major version"),
    .init(name: "header size", offset: 12, value: 161, byteCount: 4, field: "header size"),
    .init(name: "file length beyond Int", offset: 24, value: .max, field: "file length"),
    .init(name: "index offset beyond Int", offset: 32, value: .max, field: "index offset"),
    .init(name: "index offset near Int.max", offset: 32, value: 0x7FFF_FFFF_FFFF_FFC0, field: "index length"),
    .init(name: "index in the header", offset: 32, value: 128, field: "index offset"),
    .init(name: "index length beyond Int", offset: 40, value: .max, field: "index length"),
    .init(name: "index length near Int.max", offset: 40, value: 0x7FFF_FFFF_FFFF_FFFF, field: "index length"),
    .init(name: "reserved bytes of the header", offset: 48, value: 1, field: "reserved"),
  ]

  @Test(arguments: changes)
  func signedNonsenseIsRefused(change: HostileChange) throws {
    var forgery = try Forgery(ToyPackages.small())
    let start = change.entry.map { forgery.entry($0) } ?? 0
    forgery.set(change.value, at: start + change.offset, byteCount: change.byteCount)
    forgery.signIndex()
    #expect(forgery.verdict?.field == change.field, "\(forgery.verdict.map(String.init(describing:)) ?? "accepted")")
  }

  @Test func newerVersionsSayWhatTheyNeed() throws {
    var forgery = try Forgery(ToyPackages.small())
    forgery.set(2, at: 8, byteCount: 2)
    #expect(forgery.verdict == .newerVersion(major: 2, minor: 0))
    forgery = try Forgery(ToyPackages.small())
    forgery.set(1 << 5, at: 16)
    forgery.signIndex()
    #expect(forgery.verdict == .unknownObligations(bits: 32))
    forgery = try Forgery(ToyPackages.small())
    forgery.set(9, at: 10, byteCount: 2)
    forgery.signIndex()
    #expect(forgery.verdict == nil)
    #expect(try PackageReader(forgery.bytes).minorVersion == 9)
  }

  @Test(arguments: [9, 100, 254] as [UInt8], [UInt8(0), 7])
  func unknownSectionsAreIgnoredOnlyWhereTheyMayBe(kind: UInt8, encoding: UInt8) throws {
    let known = try PackageWriter.sections(of: ToyPackages.small(), threads: 1)
    func verdict(isCritical: Bool, damaged: Bool = false) throws -> PackageError? {
      var section = PendingSection(
        kind: SectionKind(rawValue: kind), isCritical: isCritical, contents: .array([1, 2, 3]), compressing: false)
      section.encoding = SectionEncoding(rawValue: encoding)
      let layout = try PackageLayout(known.dropLast() + [section, section, known[known.count - 1]])
      var forgery = try Forgery(ToyPackages.small())
      forgery.bytes = layout.bytes
      if damaged { forgery.bytes[forgery.integer(at: forgery.entry(5) + 8)] ^= 1 }
      return forgery.verdict
    }
    #expect(try verdict(isCritical: false) == nil)
    #expect(try verdict(isCritical: true) == .unknownCriticalSection(entry: 5, kind: kind))
    guard case .hashMismatch? = try verdict(isCritical: false, damaged: true) else {
      Issue.record("damage in a section that is ignored is to be noticed")
      return
    }
  }

  @Test func metadataIsReplacedBehindUnknownSections() throws {
    var sections = try PackageWriter.sections(of: ToyPackages.small(), threads: 1)
    sections.insert(
      PendingSection(kind: SectionKind(rawValue: 9), isCritical: false, contents: .array([1])), at: sections.count - 1)
    let reader = try PackageReader(PackageLayout(sections).bytes)
    let rewritten = try PackageWriter.sections(of: reader, metadata: "{}")
    #expect(rewritten.map(\.kind.rawValue) == [1, 2, 3, 4, 4, 9, 255])
    #expect(try PackageReader(PackageLayout(rewritten).bytes).readAll().metadata == "{}")
  }

  @Test func sectionsThatMustBeThereAreMissed() throws {
    let sections = try PackageWriter.sections(of: ToyPackages.small(), threads: 1)
    for (number, kind) in [(0, "graph"), (1, "runtime")] {
      var fewer = sections
      fewer.remove(at: number)
      #expect(throws: PackageError.missingSection(kind: kind)) { try PackageReader(PackageLayout(fewer).bytes) }
    }
    #expect(try PackageReader(PackageLayout(sections.filter { $0.isCritical }).bytes).readAll().metadata == "")
  }

  @Test func tensorsWithTheSameContentsTwiceAreRefused() throws {
    var sections = try PackageWriter.sections(of: ToyPackages.small(), threads: 1)
    sections[3] = sections[4]
    #expect { try PackageReader(PackageLayout(sections).bytes) } throws: { ($0 as? PackageError)?.field == "raw hash" }
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func randomChangesOfTheIndexNeverTrap(seed: UInt64) throws {
    var random = SplitMix64(state: seed)
    let original = try Forgery(ToyPackages.small(), compressing: true)
    for _ in 0..<1500 {
      var forgery = original
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let inHeader = Int.random(in: 0..<4, using: &random) == 0
        let range = inHeader ? 8..<64 : original.indexOffset..<original.bytes.count
        forgery.bytes[Int.random(in: range, using: &random)] =
          [0, 1, 2, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
      }
      forgery.signIndex()
      _ = forgery.verdict
    }
  }
}
