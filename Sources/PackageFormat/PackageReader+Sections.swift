import Files

extension PackageReader {
  /// The contents of a section, decompressed if necessary and checked against the hash in the index.
  ///
  /// - Parameter number: the index in `sections`.
  /// - Throws: `PackageError.hashMismatch` or `.invalidFrame` where the section is damaged; `.invalidField` where its
  ///   encoding is unknown, which is allowed for sections that readers may ignore.
  package func contents(ofSection number: Int) throws(PackageError) -> PendingSection.Bytes {
    let entry = sections[number]
    guard entry.encoding == .stored || entry.encoding == .zstd else {
      throw .invalidField(
        part: SectionContents.part(entry, number: number), field: "encoding", offset: entry.offset,
        problem: "\(entry.encoding.rawValue) is unknown; use a newer quern")
    }
    let contents = try SectionContents(entry, number: number, storage: storage)
    return .view(contents.storage, contents.range)
  }

  /// The bytes of a section in the file, which are not checked.
  ///
  /// - Parameter number: the index in `sections`.
  package func storedBytes(ofSection number: Int) -> PendingSection.Bytes { .view(storage, sections[number].range) }

  /// The index in `sections` of the section that contains a constant's elements.
  package func sectionNumber(of constant: ConstantRecord) -> Int {
    (sections.firstIndex { $0.kind == .tensor } ?? 0) + constant.tensor
  }

  /// The SHA-256 of the whole file. Take it before the package is used (`MappedFile.sha256(of:)`).
  package func sha256() -> SHA256.Digest {
    file?.sha256() ?? storage.withBytes(in: 0..<byteCount) { SHA256.hash($0) }
  }
}
