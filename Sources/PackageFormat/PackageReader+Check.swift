import Files
import Tensors

extension PackageReader {
  /// Checks every byte of the file that opening does not check: the hashes of all sections as stored and as
  /// decompressed, the padding, and the encoding of the metadata. Together with the checks of opening, no change of a
  /// single bit goes unnoticed.
  ///
  /// - Parameter threads: the number of threads that hash and decompress sections.
  /// - Throws: `PackageError.hashMismatch`, `.invalidFrame`, `.nonzeroPadding`, or `.invalidField` where the metadata
  ///   is not UTF-8, or the self-test or the licence is malformed.
  package func checkAll(threads: Int = 1) throws(PackageError) {
    try checkPadding()
    try checkStoredBytes(threads: threads)
    let (sections, storage) = (sections, storage)
    _ = try concurrentMap(count: sections.count, threads: threads) { index throws(PackageError) in
      let entry = sections[index]
      guard entry.encoding == .zstd || entry.kind == .metadata else { return }
      let contents = try SectionContents(entry, number: index, storage: storage)
      if entry.kind == .metadata { _ = try contents.text() }
    }
    _ = try selfTest()
    _ = try license()
  }

  /// Checks the hashes of all sections as stored in the file, whatever their kind and encoding.
  func checkStoredBytes(threads: Int) throws(PackageError) {
    let (sections, storage) = (sections, storage)
    _ = try concurrentMap(count: sections.count, threads: threads) { index throws(PackageError) in
      let entry = sections[index]
      guard storage.withBytes(in: entry.range, { SHA256.hash($0) }) == entry.storedHash else {
        throw .hashMismatch(part: SectionContents.part(entry, number: index), offset: entry.offset)
      }
    }
  }

  /// Checks that the bytes between the sections are zero.
  private func checkPadding() throws(PackageError) {
    var end = FileHeader.byteCount
    let indexOffset = byteCount - sections.count * SectionIndex.entryByteCount
    for (start, next) in sections.map({ ($0.range.lowerBound, $0.range.upperBound) }) + [(indexOffset, byteCount)] {
      let nonzero = storage.withBytes(in: end..<start) { gap in gap.firstIndex { $0 != 0 } }
      if let nonzero { throw .nonzeroPadding(offset: end + nonzero) }
      end = next
    }
  }
}
