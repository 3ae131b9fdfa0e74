import Files
import PackageFormat
import Tensors
import Threads

/// An open patch. Opening checks the header and the hash of everything else.
package struct PatchApplier: Sendable {
  /// The bytes that every patch starts with.
  package static let magic = PatchHeader.magic

  private let storage: TensorStorage
  private let header: PatchHeader
  private let entries: [PatchEntry]
  /// Where the payload of each entry is in the file.
  private let payloads: [Range<Int>]
  /// The path of the file, for errors; `nil` for bytes from elsewhere.
  private var path: String?

  /// The package that the patch applies to.
  package var old: PackageIdentity { header.old }
  /// The package that the patch makes.
  package var new: PackageIdentity { header.new }

  /// Opens the patch at `path`.
  ///
  /// - Throws: `PatchError.file` where the file cannot be read; otherwise `.patch` with the errors of `init(storage:)`.
  package init(path: String) throws(PatchError) {
    let file: MappedFile
    do throws(FileError) { file = try MappedFile(path: path) } catch { throw .file(error) }
    let opened = Result { () throws(PatchError) in try PatchApplier(storage: file.storage) }
    self = try opened.mapError { $0.ofPatch(path) }.get()
    self.path = path
  }

  /// Opens a patch whose bytes are in memory or mapped.
  ///
  /// - Throws: `PatchError.notAPatch`, `.newerVersion`, `.fileLength`, `.hashMismatch`, `.outOfBounds` or
  ///   `.invalidField`.
  package init(storage: TensorStorage) throws(PatchError) {
    self.storage = storage
    header = try PatchHeader.parse(storage)
    let directory = PatchHeader.byteCount..<PatchHeader.byteCount + header.storedDirectoryLength
    entries = try Self.entries(header, storage, directory)
    payloads = try Self.payloads(entries, after: directory.upperBound, fileLength: header.fileLength)
  }

  private static func entries(
    _ header: PatchHeader, _ storage: TensorStorage, _ range: Range<Int>
  ) throws(PatchError) -> [PatchEntry] {
    var cursor = ByteCursor(storage, range: range)
    if header.storedDirectoryLength < header.directoryLength {
      guard header.directoryLength <= PatchEntry.expansionLimit * range.count else {
        throw .invalidField(
          part: "patch header", field: "directory length", problem: "\(range.count) bytes must not expand to it")
      }
      let bytes = try Result { () throws(PatchError) in
        try PayloadCompression.decompress(
          UnsafeRawBufferPointer(rebasing: storage.bytes[range]), byteCount: header.directoryLength,
          entry: "patch directory")
      }.get()
      cursor = ByteCursor(bytes)
    }
    var entries: [PatchEntry] = []
    var sources: Set<Int> = []
    var fields = PatchCursor(cursor, part: "directory")
    for number in 0..<header.directoryLength / PatchEntry.byteCount {
      fields.part = "entry \(number)"
      let entry = try PatchEntry.parse(&fields)
      if let source = entry.source, !sources.insert(source).inserted {
        throw fields.invalid("source", "section \(source) of the old package is used twice")
      }
      entries.append(entry)
    }
    return entries
  }

  private static func payloads(
    _ entries: [PatchEntry], after start: Int, fileLength: Int
  ) throws(PatchError) -> [Range<Int>] {
    var (ranges, end) = ([Range<Int>](), start)
    for (number, entry) in entries.enumerated() {
      guard entry.payloadLength <= fileLength - end else {
        throw .invalidField(
          part: "patch entry \(number)", field: "payload length", problem: "extends past the end of the file")
      }
      ranges.append(end..<end + entry.payloadLength)
      end += entry.payloadLength
    }
    guard end == fileLength else {
      throw .invalidField(part: "patch", field: "end", problem: "\(fileLength - end) bytes follow the last payload")
    }
    return ranges
  }

  /// The new package, ready to be written. It has the hashes that the patch promises.
  ///
  /// - Parameters:
  ///   - old: the package that the patch applies to, whose whole file is hashed.
  ///   - acceptsOtherCompression: whether the file may differ from the promised one in how its sections are compressed,
  ///     as long as the content hash is equal.
  ///   - threads: the number of threads that make sections.
  /// - Throws: `PatchError.otherPackage` where `old` is not the package that the patch was made for; `.invalidField`
  ///   where the patch is malformed; `.otherCompression` where this libzstd compresses the contents differently;
  ///   `.otherResult` where the patch makes another package than it promises. Where the patch has a path, `.patch` with
  ///   one of the last three.
  package func layout(
    old: PackageReader, acceptsOtherCompression: Bool = false, threads: Int = 1
  ) throws(PatchError) -> PackageLayout {
    do throws(PatchError) {
      return try made(of: old, acceptsOtherCompression: acceptsOtherCompression, threads: threads)
    } catch { throw path.map { error.ofPatch($0) } ?? error }
  }

  private func made(
    of old: PackageReader, acceptsOtherCompression: Bool, threads: Int
  ) throws(PatchError) -> PackageLayout {
    let identity = PackageIdentity(old)
    guard identity == header.old else {
      throw .otherPackage(path: old.path, expected: header.old, actual: identity)
    }
    try checkLengths(old: old)
    let results = ThreadTeam(count: threadCount(threads, old: old)).map(entries.count) { number in
      Result { () throws(PatchError) in try section(number, old: old) }
    }
    var sections: [PendingSection] = []
    for result in results { sections.append(try result.get()) }
    let layout: PackageLayout
    do throws(PackageError) { layout = try PackageLayout(sections) } catch {
      throw .invalidField(part: "patch directory", field: "length", problem: "\(error)")
    }
    let made = PackageIdentity(layout.summary)
    if made == header.new { return layout }
    guard made.contentHash == header.new.contentHash, header.zstdVersion != PayloadCompression.version else {
      throw .otherResult(expected: header.new, actual: made)
    }
    guard acceptsOtherCompression else {
      throw .otherCompression(madeWith: header.zstdVersion, here: PayloadCompression.version)
    }
    return layout
  }

  /// Checks that all sections together take no more memory than the old package and the patch account for.
  private func checkLengths(old: PackageReader) throws(PatchError) {
    let limit = PatchEntry.lengthLimit(of: entries, patchLength: header.fileLength, old: old)
    var rest = limit
    for (number, entry) in entries.enumerated() where entry.isMade {
      guard entry.length <= rest else {
        throw .invalidField(
          part: "patch entry \(number)", field: "length",
          problem: "\(entry.length) bytes are more than the \(rest) that are left of the limit of \(limit) for a patch "
            + "of \(header.fileLength) bytes")
      }
      rest -= entry.length
    }
  }

  /// At most so many threads that the memory in which they compress is in proportion to both files.
  private func threadCount(_ threads: Int, old: PackageReader) -> Int {
    let largest = entries.filter(\.isMade).map(\.length).max() ?? 0
    // libzstd takes up to 32 MB at level 9, and less for short contents.
    let perThread = min(16 * min(largest, 2 << 20), 32 << 20)
    let allowance = (32 << 20) + 4 * (old.byteCount + header.fileLength)
    return max(1, min(threads, allowance / max(perThread, 1)))
  }

  private func section(_ number: Int, old: PackageReader) throws(PatchError) -> PendingSection {
    let entry = entries[number]
    let part = "patch entry \(number)"
    func invalid(_ field: String, _ problem: String) -> PatchError {
      .invalidField(part: part, field: field, problem: problem)
    }
    if let source = entry.source {
      guard old.sections.indices.contains(source), old.sections[source].kind == entry.kind else {
        throw invalid("source", "the old package has no \(entry.kind) section \(source)")
      }
    }
    if entry.form == .storedBytes {
      guard entry.isCompressed, entry.encoding == .stored else { throw invalid("form", "is only for zstd frames") }
      if let source = entry.source {
        guard old.sections[source].encoding == .zstd, old.sections[source].storedLength == entry.length,
          old.sections[source].isCritical == entry.isCritical
        else { throw invalid("source", "section \(source) of the old package is not such a frame") }
        return PendingSection(copying: source, of: old)
      }
      guard entry.length == entry.payloadLength else { throw invalid("length", "is not that of the payload") }
      do throws(PackageError) {
        return try PendingSection(
          kind: entry.kind, isCritical: entry.isCritical, frame: .view(storage, payloads[number]))
      } catch {
        if case .memory(let part) = error { throw .memory(part: part) }
        throw invalid("payload", "\(error)")
      }
    }
    let contents = try contents(of: entry, payload: payloads[number], old: old, part: part)
    guard contents.count == entry.length else { throw invalid("length", "the contents have \(contents.count) bytes") }
    return PendingSection(
      kind: entry.kind, isCritical: entry.isCritical, contents: contents, compressing: entry.isCompressed)
  }

  private func contents(
    of entry: PatchEntry, payload range: Range<Int>, old: PackageReader, part: String
  ) throws(PatchError) -> PendingSection.Bytes {
    let source: PendingSection.Bytes =
      if let number = entry.source { try old.patchContents(number) } else { .array([]) }
    if entry.method == .copy { return source }
    if entry.method == .literal, entry.encoding == .stored { return .view(storage, range) }
    // No more memory is reserved than the source and the patch account for.
    guard entry.length - source.count <= PatchEntry.expansionLimit * range.count else {
      throw .invalidField(part: part, field: "length", problem: "\(range.count) bytes must not expand to it")
    }
    if entry.method == .difference {
      guard entry.length == source.count, entry.length % entry.width == 0 else {
        throw .invalidField(part: part, field: "length", problem: "does not fit a difference")
      }
      guard entry.encoding != .stored || range.count == entry.length else {
        throw .invalidField(part: part, field: "payload length", problem: "does not fit a difference")
      }
    }
    let bytes = try source.withBytes { source in
      Result { () throws(PatchError) in
        let payload = UnsafeRawBufferPointer(rebasing: storage.bytes[range])
        if entry.encoding == .stored {
          return DifferenceCoding.decode(old: source, differences: payload, width: entry.width)
        }
        let result =
          entry.encoding == .sparse
          ? try SparseCoding.decode(payload, byteCount: entry.length, entry: part)
          : try PayloadCompression.decompress(
            payload, byteCount: entry.length, prefix: entry.method == .prefix ? source : nil, entry: part)
        guard entry.method == .difference else { return result }
        return result.withUnsafeBytes { DifferenceCoding.decode(old: source, differences: $0, width: entry.width) }
      }
    }.get()
    return .array(bytes)
  }
}
