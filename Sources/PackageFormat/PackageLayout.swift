import Files

/// The layout of a package's file: the header, the sections one after another, and the index.
package struct PackageLayout: Sendable {
  /// The file's bytes, in order.
  package let pieces: [PendingSection.Bytes]
  /// The size and the hashes of the file.
  package let summary: PackageSummary

  /// - Parameter sections: the sections in the order of the file, ascending by kind.
  /// - Throws: `PackageError.cannotStore` where the sections are longer than any file.
  package init(_ sections: [PendingSection]) throws(PackageError) {
    var entries: [SectionEntry] = []
    var pieces: [PendingSection.Bytes] = []
    var end = FileHeader.byteCount
    for section in sections {
      let offset = try Self.alignedOffset(after: end, byteCount: section.storedLength)
      entries.append(
        SectionEntry(
          kind: section.kind, encoding: section.encoding, isCritical: section.isCritical, offset: offset,
          storedLength: section.storedLength, rawLength: section.rawLength, rawHash: section.rawHash,
          storedHash: section.storedHash))
      pieces += [.array([UInt8](repeating: 0, count: offset - end)), section.bytes]
      end = offset + section.storedLength
    }
    let index = SectionIndex.encode(entries)
    let indexOffset = try Self.alignedOffset(after: end, byteCount: index.count)
    pieces += [.array([UInt8](repeating: 0, count: indexOffset - end)), .array(index)]
    let header = FileHeader(
      minor: FileHeader.minor, obligations: [],
      fileLength: indexOffset + index.count,
      indexOffset: indexOffset,
      indexLength: index.count, indexHash: SHA256.hash(index), contentHash: SectionIndex.contentHash(entries))
    pieces.insert(.array(header.encoded()), at: 0)

    var hash = SHA256()
    for piece in pieces { piece.withBytes { hash.update($0) } }
    self.pieces = pieces
    summary = PackageSummary(
      byteCount: header.fileLength, contentHash: header.contentHash, sha256: hash.finalize())
  }

  /// The first aligned offset at or after `end`, from which `byteCount` bytes must be addressable.
  private static func alignedOffset(after end: Int, byteCount: Int) throws(PackageError) -> Int {
    guard let offset = FileHeader.aligned(end), !offset.addingReportingOverflow(byteCount).overflow else {
      throw .cannotStore("the sections are longer than any file")
    }
    return offset
  }

  /// The bytes of the whole file, for packages small enough for two copies in memory.
  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    for piece in pieces { piece.withBytes { bytes += $0 } }
    return bytes
  }

  /// Appends the file's bytes to `file`, without committing it.
  ///
  /// - Throws: `PackageError.file` where writing fails.
  package func write(to file: AtomicFile) throws(PackageError) {
    for piece in pieces {
      let result = piece.withBytes { bytes in Result { () throws(FileError) in try file.write(bytes) } }
      if case .failure(let error) = result { throw .file(error) }
    }
  }

  /// Creates the file at `path`, or replaces it in one step.
  func write(toPath path: String) throws(PackageError) {
    let file: AtomicFile
    do throws(FileError) { file = try AtomicFile(path: path) } catch { throw .file(error) }
    try write(to: file)
    do throws(FileError) { try file.commit() } catch { throw .file(error) }
  }
}
