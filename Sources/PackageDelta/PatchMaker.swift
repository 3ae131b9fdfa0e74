import Files
import Graphs
import PackageFormat
import Tensors
import Threads

/// A patch in memory.
package struct Patch: Sendable {
  /// The bytes of the file.
  package let bytes: [UInt8]
  /// The number of sections of the new package by how they are made.
  package let figures: Figures

  /// How the sections of a new package are made, and how much of the patch they take.
  package struct Figures: Encodable, Hashable, Sendable {
    /// The number of sections that are copied from the old package.
    package var copied = 0
    /// The number of sections whose integers are stored as differences, and the size of these.
    package var differences = 0, differenceBytes = 0
    /// The number of sections that are compressed with the old section as a prefix, and the size of these.
    package var prefixed = 0, prefixedBytes = 0
    /// The number of sections that are stored without reference to the old package, and the size of these.
    package var literal = 0, literalBytes = 0
    /// The number of sections whose compressed bytes had to be stored, because this libzstd makes others of the
    /// contents.
    package var verbatimFrames = 0
  }
}

/// Makes patches.
package enum PatchMaker {
  /// A patch that makes one package of another.
  ///
  /// - Parameters:
  ///   - old: the package that the patch will be applied to.
  ///   - new: the package that it will make.
  ///   - threads: the number of threads that compress sections. It does not change the bytes.
  /// - Throws: `PatchError.package` where one of the packages is damaged; `.cannotMake` where the new package cannot be
  ///   made, such as one of a later format version.
  package static func make(
    old: PackageReader, new: PackageReader, threads: Int = 1
  ) throws(PatchError) -> Patch {
    let identities = (old: PackageIdentity(old), new: PackageIdentity(new))
    for reader in [old, new] {
      do throws(PackageError) { try reader.checkAll(threads: threads) } catch {
        throw .package(path: reader.path, error)
      }
    }
    let sources = SectionSources(old: old, new: new)
    let results = ThreadTeam(count: threads).map(new.sections.count) { number in
      Result { () throws(PatchError) in
        try SectionDelta(
          section: number, of: new, source: sources.numbers[number], of: old, width: sources.widths[number])
      }
    }
    var deltas: [SectionDelta] = []
    for result in results { deltas.append(try result.get()) }
    SectionDelta.limitExpansion(of: &deltas, new: new, old: old)
    var (figures, directory, payloads) = (Patch.Figures(), [UInt8](), [UInt8]())
    for delta in deltas {
      delta.entry.append(to: &directory)
      payloads += delta.payload
      figures.count(delta.entry)
    }
    let compressed = PayloadCompression.compress(directory)
    // The same limit as for payloads, so that a reader reserves no more than that for a directory.
    let stored =
      compressed.flatMap { frame in
        frame.count < directory.count && directory.count <= PatchEntry.expansionLimit * frame.count ? frame : nil
      } ?? directory
    guard directory.count <= PatchHeader.directoryLimit else {
      throw .cannotMake("\(new.path) has too many sections")
    }
    let body = stored + payloads
    let header = PatchHeader(
      fileLength: PatchHeader.byteCount + body.count, directoryLength: directory.count,
      storedDirectoryLength: stored.count, zstdVersion: PayloadCompression.version, old: identities.old,
      new: identities.new, bodyHash: SHA256.hash(body))
    let patch = Patch(bytes: header.encoded() + body, figures: figures)
    try check(patch, old: old, new: new, threads: threads)
    return patch
  }

  /// Applies the patch as a reader would, which also covers packages that this version would lay out differently.
  private static func check(
    _ patch: Patch, old: PackageReader, new: PackageReader, threads: Int
  ) throws(PatchError) {
    let storage = TensorStorage(byteCount: patch.bytes.count) { $0.copyBytes(from: patch.bytes) }
    do throws(PatchError) {
      _ = try PatchApplier(storage: storage).layout(old: old, threads: threads)
    } catch {
      if case .memory = error { throw error }
      throw .cannotMake("\(new.path) cannot be made of the same sections by this version of quern: \(error)")
    }
  }
}

extension Patch.Figures {
  fileprivate mutating func count(_ entry: PatchEntry) {
    if entry.form == .storedBytes, entry.method == .literal { verbatimFrames += 1 }
    switch entry.method {
    case .copy: copied += 1
    case .difference: (differences, differenceBytes) = (differences + 1, differenceBytes + entry.payloadLength)
    case .prefix: (prefixed, prefixedBytes) = (prefixed + 1, prefixedBytes + entry.payloadLength)
    case .literal: (literal, literalBytes) = (literal + 1, literalBytes + entry.payloadLength)
    }
  }
}

/// Which section of the old package each section of the new one is made of. Each old section is used at most once.
struct SectionSources {
  /// For each section of the new package, the old section; `nil` for none.
  private(set) var numbers: [Int?]
  /// For each section of the new package, the size in bytes of its elements; 0 where they are not integers or floats.
  private(set) var widths: [Int]

  init(old: PackageReader, new: PackageReader) {
    numbers = Array(repeating: nil, count: new.sections.count)
    widths = Array(repeating: 0, count: new.sections.count)
    var unused = Set(old.sections.indices)
    // Sections with equal contents come first, whatever they belong to.
    var byContents = SectionQueues(old.sections.indices) { SectionContentsKey(old.sections[$0]) }
    for (number, entry) in new.sections.enumerated() {
      guard let equal = byContents.next(SectionContentsKey(entry)) else { continue }
      numbers[number] = equal
      unused.remove(equal)
    }
    // Then the constants with the same role in the node of the same name.
    let oldNodes = Dictionary(old.graph.nodes.map { ($0.name, $0) }) { first, _ in first }
    for node in new.graph.nodes {
      for constant in node.constants {
        let number = new.sectionNumber(of: constant)
        if widths[number] == 0 { widths[number] = constant.elementType.byteCount }
        guard numbers[number] == nil, let before = oldNodes[node.name]?.constant(constant.role),
          before.elementType == constant.elementType
        else { continue }
        let source = old.sectionNumber(of: before)
        if unused.remove(source) != nil { numbers[number] = source }
      }
    }
    // Then the sections that are the only one of their kind.
    var byKind = SectionQueues(unused.sorted()) { old.sections[$0].kind }
    for (number, entry) in new.sections.enumerated() where numbers[number] == nil && entry.kind != .tensor {
      numbers[number] = byKind.next(entry.kind)
    }
  }
}

/// What sections with equal contents have in common.
private struct SectionContentsKey: Hashable {
  let kind: SectionKind
  let hash: SHA256.Digest

  init(_ entry: SectionEntry) { (kind, hash) = (entry.kind, entry.rawHash) }
}

/// Numbers of sections in their order, by a key. Each is given once.
private struct SectionQueues<Key: Hashable> {
  private var numbers: [Key: ArraySlice<Int>]

  init(_ numbers: some Sequence<Int>, key: (Int) -> Key) {
    self.numbers = Dictionary(grouping: numbers, by: key).mapValues { $0[...] }
  }

  /// The first number of a key that was not given yet; `nil` where none is left.
  mutating func next(_ key: Key) -> Int? { numbers[key]?.popFirst() }
}
