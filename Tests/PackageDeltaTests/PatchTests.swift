import Files
import Graphs
import PackageDelta
import PackageFormat
import Tensors
import Testing

/// A change of a package.
struct Change: Sendable, CustomTestStringConvertible {
  let name: String
  let apply: @Sendable (inout SmallPackage) -> Void
  var testDescription: String { name }
}

@Suite struct PatchTests {
  static let changes: [Change] = [
    Change(name: "nothing") { _ in },
    Change(name: "one level") { $0.levels[100] = 127 },
    Change(name: "some levels") { package in
      for index in stride(from: 0, to: 6000, by: 97) { package.levels[index] &-= 3 }
    },
    Change(name: "levels at the ends of their range") { package in
      for index in stride(from: 0, to: 6000, by: 31) { package.levels[index] = index % 2 == 0 ? -128 : 127 }
    },
    Change(name: "all levels") { $0.levels = SmallPackage(seed: 2).levels },
    Change(name: "levels that do not compress") { package in
      var random = SplitMix64(state: 9)
      package.levels = package.levels.map { _ in Int8.random(in: .min ... .max, using: &random) }
    },
    Change(name: "scales and biases") { package in
      package.scales = package.scales.map { $0 * 1.0001 }
      package.biases = package.biases.map { $0 &+ 5 }
    },
    Change(name: "signs of scales") { package in package.scales = package.scales.map { -$0 } },
    Change(name: "fewer levels") { $0.levels = Array(repeating: 1, count: 6000) },
    Change(name: "labels") { $0.labels = ["chat", "chien"] },
    Change(name: "no labels") { $0.labels = [] },
    Change(name: "metadata") { $0.metadata = #"{"schema": "toy", "more": 1}"# },
    Change(name: "no metadata") { $0.metadata = "" },
    Change(name: "an attribute") { $0.stride = 1 },
    Change(name: "a format") { $0.scale = 0.25 },
    Change(name: "a node") { $0.extraNode = "relu" },
    Change(name: "without compression") { $0.compressing = false },
  ]

  /// Both ways, as what one adds the other removes.
  @Test(arguments: changes, [false, true])
  func makesTheNewPackageToTheByte(change: Change, backwards: Bool) throws {
    var changed = SmallPackage()
    change.apply(&changed)
    let packages = [try SmallPackage().encoded(), try changed.encoded()]
    let (old, new) = backwards ? (packages[1], packages[0]) : (packages[0], packages[1])
    let (before, after) = (try PackageReader(old, "old"), try PackageReader(new, "new"))
    let patch = try PatchMaker.make(old: before, new: after)
    let layout = try PatchApplier(patch.bytes).layout(old: before)
    #expect(layout.bytes == new)
    #expect(layout.summary.contentHash == after.contentHash)
    #expect(try PatchMaker.make(old: before, new: after, threads: 3).bytes == patch.bytes)
    #expect(try PatchApplier(patch.bytes).layout(old: before, threads: 3).bytes == new)
  }

  @Test func smallChangesMakeSmallPatches() throws {
    let old = try SmallPackage().reader()
    func bytes(_ change: (inout SmallPackage) -> Void) throws -> Int {
      var package = SmallPackage()
      change(&package)
      return try PatchMaker.make(old: old, new: try package.reader()).bytes.count
    }
    #expect(try bytes { _ in } < 400)
    #expect(try bytes { $0.labels = ["chat", "chien"] } < 450)
    #expect(try bytes { $0.levels[100] = 127 } < 450)
  }

  @Test func anotherPackageIsRefusedWithBothHashes() throws {
    var changed = SmallPackage()
    changed.levels[0] = 100
    let (old, new) = (try SmallPackage().reader("old.quern"), try changed.reader("new.quern"))
    let applier = try PatchApplier(try PatchMaker.make(old: old, new: new).bytes)
    var other = SmallPackage()
    other.labels = ["chat", "chien"]
    for package in [new, try other.reader("other.quern")] {
      let error = #expect(throws: PatchError.self) { try applier.layout(old: package) }
      let text = "\(try #require(error))"
      #expect(text.hasPrefix("\(package.path): "))
      #expect(text.contains(old.contentHash.hex) && text.contains(old.sha256().hex))
      #expect(text.contains(package.contentHash.hex) && text.contains(package.sha256().hex))
      #expect(error?.kind == .badData)
    }
  }

  /// A frame that the writer does not make of the contents, as that of another version of libzstd would be.
  @Test func framesOfAnotherCompressorAreStoredAsTheyAre() throws {
    var changed = SmallPackage()
    changed.levels[7] = 100
    let (old, ours) = (try SmallPackage().reader("old"), try changed.reader("ours"))
    let number = try #require(ours.sections.firstIndex { $0.kind == .tensor && $0.encoding == .zstd })
    var sections = ours.sections.indices.map { PendingSection(copying: $0, of: ours) }
    let frame = try ours.contents(ofSection: number).withBytes { try ForeignFrame.compress($0) }
    sections[number] = try PendingSection(kind: .tensor, isCritical: true, frame: .array(frame))
    let foreign = try PackageLayout(sections)
    #expect(foreign.summary.contentHash == ours.contentHash)
    let new = try PackageReader(foreign.bytes, "new")
    try new.checkAll()
    #expect(new.sha256() != ours.sha256())
    let patch = try PatchMaker.make(old: old, new: new)
    #expect(patch.figures.verbatimFrames == 1)
    #expect(try PatchApplier(patch.bytes).layout(old: old).bytes == foreign.bytes)
    // The same frame in both packages is copied.
    let again = try PatchMaker.make(old: new, new: new)
    #expect(again.figures.copied == new.sections.count && again.bytes.count < 400)
    #expect(try PatchApplier(again.bytes).layout(old: new).bytes == foreign.bytes)
  }

  @Test func damagedPackagesAreRefused() throws {
    var bytes = try SmallPackage().encoded()
    let reader = try PackageReader(bytes, "old")
    let tensor = try #require(reader.sections.first { $0.kind == .tensor })
    bytes[tensor.offset + tensor.storedLength / 2] ^= 1
    let damaged = try PackageReader(bytes, "damaged")
    let error = #expect(throws: PatchError.self) { try PatchMaker.make(old: reader, new: damaged) }
    guard case .package("damaged", .hashMismatch)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(throws: PatchError.self) { try PatchMaker.make(old: damaged, new: reader) }
  }
}

/// A program that knows only the specification made the patch, with every method and encoding
/// (scripts/fixtures/make_patch.py). Every later version applies it.
@Suite struct GoldenPatchTests {
  private static let fixtures = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/fixtures"

  @Test func version1_0IsApplied() throws {
    let old = try PackageReader.open(path: "\(Self.fixtures)/packages/worked-example.quern")
    let new = try PackageReader.open(path: "\(Self.fixtures)/patches/new.quern")
    let applier = try PatchApplier(path: "\(Self.fixtures)/patches/version-1.0.qpatch")
    #expect(applier.old.sha256 == old.sha256() && applier.new.contentHash == new.contentHash)
    #expect(try applier.layout(old: old).summary.sha256 == new.sha256())
  }
}
