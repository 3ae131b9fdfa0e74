import Files
import Graphs
import PackageDelta
import PackageFormat
import Pixels
import Tensors
import Testing

/// What patches may make of few bytes.
@Suite struct ExpansionTests {
  /// Bytes that compress to about one part.
  private static func repeated(_ part: Int, upTo count: Int) -> [UInt8] {
    var random = SplitMix64(state: 5)
    let words = (0..<part / 8).map { _ in random.next() }
    let block = words.withUnsafeBytes { Array($0) }
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += block }
    return Array(bytes.prefix(count))
  }

  /// A patch of tensors that are frames.
  private static func patch(of old: PackageReader, frames: [[UInt8]], lengths: [Int]) throws -> [UInt8] {
    var patch = ForgedPatch(
      bytes: Array(try PatchMaker.make(old: old, new: old).bytes.prefix(ForgedPatch.directory)))
    for (frame, length) in zip(frames, lengths) {
      let entry = patch.bytes.count
      patch.bytes += [4, 1, 1, 0, 1, 0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 20)
      patch.set(UInt64(length), at: entry + 16)
      patch.set(UInt64(frame.count), at: entry + 24)
    }
    patch.bytes += frames.joined()
    patch.set(UInt64(patch.bytes.count), at: 16)
    for offset in [24, 32] { patch.set(UInt64(32 * frames.count), at: offset) }
    patch.sign()
    return patch.bytes
  }

  /// 100 KB allow for 1 MiB and 0.8 MB, in one section or in several, although each may expand 32-fold.
  @Test(arguments: [(1, 1_700_000, true), (1, 2_000_000, false), (4, 1_700_000, true), (4, 2_000_000, false)])
  func allSectionsTogetherExpandByAFactorOf8(count: Int, byteCount: Int, isAllowed: Bool) throws {
    let old = try SmallPackage().reader("old")
    let contents = Self.repeated(100_000 / count, upTo: byteCount / count)
    let frame = try contents.withUnsafeBytes { try ForeignFrame.compress($0) }
    let patch = try Self.patch(
      of: old, frames: Array(repeating: frame, count: count), lengths: Array(repeating: contents.count, count: count))
    for threads in [1, 3] {
      #expect {
        try PatchApplier(patch).layout(old: old, threads: threads)
      } throws: { error in
        switch error as? PatchError {
        case .otherResult?: isAllowed
        case .invalidField(let part, "length", let problem)?:
          !isAllowed && part == "patch entry \(count - 1)" && problem.contains("limit")
        default: false
        }
      }
    }
  }

  /// A package that expands further than a patch may is made of its own frames.
  @Test func packagesThatExpandFurtherAreStoredWhole() throws {
    let contents = Self.repeated(80_000, upTo: 2_200_000).map { Int8(bitPattern: $0) }
    var graph = Graph(architecture: "small", preprocessing: .imageNet)
    let value = graph.append(
      AnyOperator(), name: "large", inputs: [graph.input], constants: ["weight": Tensor(contents)])
    graph.outputs = [GraphOutput(name: GraphOutput.logits, value: value)]
    let bytes = try PackageWriter.encode(
      Package(
        graph: graph,
        info: PackageInfo(
          resolutions: [Resolution(try EvaluationProtocol(crop: .square, size: 64), poolingExponent: 3)],
          classCount: 2, embeddingDimension: 2)))
    let (old, new) = (try SmallPackage().reader("old"), try PackageReader(bytes, "new"))
    try #require(new.sections.contains { $0.kind == .tensor && $0.encoding == .zstd })
    let patch = try PatchMaker.make(old: old, new: new)
    #expect(patch.figures.verbatimFrames == 1)
    #expect(try PatchApplier(patch.bytes).layout(old: old).bytes == bytes)
  }

  /// Large contents are compressed as small ones are: the shorter of two frames.
  @Test(arguments: [false, true])
  func largeContentsHaveTheShorterFrame(isSparse: Bool) throws {
    var random = SplitMix64(state: 3)
    let words = (0..<(9 << 20) / 16).map { _ in
      // Of random words some bits, or few words that are not zero.
      isSparse ? (random.next() % 8 == 0 ? random.next() : 0) : random.next() & 0x1F1F_1F1F_1F1F_1F1F
    }
    let contents = words.withUnsafeBytes { Array($0) }
    let frames = try [1, 9].map { level in
      try contents.withUnsafeBytes { try ForeignFrame.compress($0, level: level) }
    }
    let section = PendingSection(kind: .tensor, isCritical: true, contents: .array(contents))
    guard case .array(let frame) = section.bytes else { return }
    #expect(frame == (frames[0].count <= frames[1].count ? frames[0] : frames[1]))
  }
}
