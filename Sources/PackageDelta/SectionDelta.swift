import PackageFormat

/// The shortest way to make one section of a new package.
struct SectionDelta: Sendable {
  private(set) var entry: PatchEntry
  private(set) var payload: [UInt8]

  /// - Parameters:
  ///   - number: the section of the new package.
  ///   - source: the section of the old package to make it of; `nil` for none.
  ///   - width: the size in bytes of the elements; 0 where they are not integers or floats.
  /// - Throws: `PatchError.package` where a section is damaged.
  init(
    section number: Int, of new: PackageReader, source: Int?, of old: PackageReader, width: Int
  ) throws(PatchError) {
    let target = new.sections[number]
    let contents = try new.patchContents(number)
    entry = PatchEntry(
      kind: target.kind, isCritical: target.isCritical, isCompressed: target.encoding == .zstd, form: .contents,
      method: .literal, width: 0, encoding: .stored, source: nil, length: contents.count, payloadLength: 0)
    payload = []
    if let source, old.sections[source].hasSameBytes(as: target) {
      entry.copy(source, as: entry.isCompressed ? .storedBytes : .contents)
      entry.length = target.storedLength
      return
    }
    guard !entry.isCompressed || target.isReproduced(from: contents) else {
      storeWhole(number, of: new)
      return
    }
    if let source, old.sections[source].rawHash == target.rawHash {
      entry.copy(source, as: .contents)
      return
    }
    // Never longer than the section in the new package.
    storeWhole(number, of: new)
    try contents.withBytes { contents in
      Result { () throws(PatchError) in try tryMethods(contents, source: source, of: old, width: width) }
    }.get()
  }

  /// The size in bytes up to which all encodings are tried.
  private static let smallSection = 1 << 16

  /// Makes the section of its bytes in the new package, without the old one.
  private mutating func storeWhole(_ number: Int, of new: PackageReader) {
    entry.form = entry.isCompressed ? .storedBytes : .contents
    (entry.method, entry.width, entry.source) = (.literal, 0, nil)
    entry.length = new.sections[number].storedLength
    setPayload(new.storedBytes(ofSection: number).withBytes { Array($0) }, .stored)
  }

  /// Stores the sections whole that expand most, until all of them together are within the limit that readers have.
  ///
  /// - Parameter deltas: one for each section of the new package, in order.
  static func limitExpansion(of deltas: inout [SectionDelta], new: PackageReader, old: PackageReader) {
    // The length of an entry less its part of the limit (`PatchEntry.lengthLimit`), to which the header and the
    // directory add a little more.
    func excess(_ entry: PatchEntry) -> Int {
      guard entry.isMade else { return -PatchEntry.totalExpansionLimit * entry.payloadLength }
      return entry.length - PatchEntry.totalExpansionLimit * entry.payloadLength - entry.sourceLength(in: old)
    }
    var total = deltas.reduce(0) { $0 + excess($1.entry) }
    let candidates = deltas.map(\.entry).enumerated().filter { $0.element.isMade && $0.element.method != .copy }
    for (number, _) in candidates.sorted(by: { $0.element.expansion > $1.element.expansion }) {
      guard total > PatchEntry.freeLength else { return }
      total -= excess(deltas[number].entry)
      deltas[number].storeWhole(number, of: new)
      total += excess(deltas[number].entry)
    }
  }

  private mutating func setPayload(_ bytes: [UInt8], _ encoding: PatchEntry.Encoding) {
    payload = bytes
    entry.payloadLength = bytes.count
    entry.encoding = encoding
  }

  /// Takes the shortest of the ways to make the contents, if it is shorter than what there is.
  private mutating func tryMethods(
    _ contents: UnsafeRawBufferPointer, source: Int?, of old: PackageReader, width: Int
  ) throws(PatchError) {
    guard let source else {
      if let frame = PayloadCompression.compress(contents) {
        take(frame, .zstd, method: .literal, length: contents.count)
      }
      return
    }
    let before = try old.patchContents(source)
    before.withBytes { before in
      if width > 0, before.count == contents.count, contents.count % width == 0 {
        let differences = DifferenceCoding.encode(old: before, new: contents, width: width)
        // Compression takes most of the time, so that of large sections only the encoding is tried that is shorter for
        // as many zeros. Where about half of the bytes are zero, both are equally short.
        let isSmall = differences.count <= Self.smallSection
        let isSparse = 2 * differences.count { $0 == 0 } >= differences.count
        if isSmall || isSparse, let payload = SparseCoding.encode(differences) {
          take(payload, .sparse, method: .difference, length: contents.count, source: source, width: width)
        }
        if isSmall || !isSparse, let payload = PayloadCompression.compress(differences) {
          take(payload, .zstd, method: .difference, length: contents.count, source: source, width: width)
        }
      } else if let frame = PayloadCompression.compress(contents, prefix: before) {
        take(frame, .zstd, method: .prefix, length: contents.count, source: source, sourceLength: before.count)
      }
    }
  }

  private mutating func take(
    _ candidate: [UInt8], _ encoding: PatchEntry.Encoding, method: PatchEntry.Method, length: Int, source: Int? = nil,
    sourceLength: Int = 0, width: Int = 0
  ) {
    let reach = method == .difference ? length : sourceLength + PatchEntry.expansionLimit * candidate.count
    guard candidate.count < payload.count, length <= reach else { return }
    entry.form = .contents
    entry.method = method
    entry.width = width
    entry.source = source
    entry.length = length
    setPayload(candidate, encoding)
  }
}

extension PatchEntry {
  /// By how many bytes the result is longer than the payload.
  fileprivate var expansion: Int { length - payloadLength }

  fileprivate mutating func copy(_ source: Int, as form: Form) {
    self.form = form
    method = .copy
    self.source = source
  }
}

extension SectionEntry {
  /// Whether the sections have the same bytes in both files.
  fileprivate func hasSameBytes(as other: SectionEntry) -> Bool {
    encoding == other.encoding && storedHash == other.storedHash && rawHash == other.rawHash
  }

  /// Whether this libzstd compresses the contents to the bytes that the package has.
  fileprivate func isReproduced(from contents: PendingSection.Bytes) -> Bool {
    let made = PendingSection(kind: kind, isCritical: isCritical, contents: contents, rawHash: rawHash)
    return made.encoding == encoding && made.storedHash == storedHash
  }
}

extension PackageReader {
  /// The contents of a section; errors name the package.
  func patchContents(_ number: Int) throws(PatchError) -> PendingSection.Bytes {
    do throws(PackageError) { return try contents(ofSection: number) } catch { throw .package(path: path, error) }
  }
}
