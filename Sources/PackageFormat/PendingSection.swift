import Files
import Tensors

/// A section to be written, with everything but its offset in the file.
package struct PendingSection: Sendable {
  /// Bytes in one of several kinds of memory.
  package enum Bytes: Sendable {
    case array([UInt8])
    /// The bytes in a range of a storage.
    case view(TensorStorage, Range<Int>)
    /// The elements of a contiguous tensor.
    case tensor(Tensor)
  }

  /// What the section contains.
  package var kind: SectionKind
  /// Whether a reader that does not know the kind must refuse the package.
  package var isCritical: Bool
  /// How the bytes are stored.
  package var encoding: SectionEncoding
  /// The length of the contents in bytes.
  package var rawLength: Int
  /// The hash of the contents.
  package var rawHash: SHA256.Digest
  /// The length in the file in bytes.
  package var storedLength: Int
  /// The hash of the bytes in the file.
  package var storedHash: SHA256.Digest
  /// The bytes in the file.
  package var bytes: Bytes

  /// A section whose contents are compressed if that makes the file smaller.
  ///
  /// - Parameters:
  ///   - kind: what the section contains.
  ///   - isCritical: whether a reader that does not know the kind must refuse the package.
  ///   - contents: the uncompressed contents.
  ///   - rawHash: the hash of the contents; computed if `nil`.
  ///   - compressing: whether contents may be compressed.
  package init(
    kind: SectionKind, isCritical: Bool, contents: Bytes, rawHash: SHA256.Digest? = nil, compressing: Bool = true
  ) {
    self.kind = kind
    self.isCritical = isCritical
    let hash = rawHash ?? contents.withBytes { SHA256.hash($0) }
    self.rawHash = hash
    rawLength = contents.count
    if compressing, let frame = contents.withBytes({ ZstdFrame.compress($0, kind: kind) }) {
      encoding = .zstd
      bytes = .array(frame)
      storedHash = SHA256.hash(frame)
    } else {
      encoding = .stored
      bytes = contents
      storedHash = hash
    }
    storedLength = bytes.count
  }

  /// A section whose bytes in the file are given, which are a zstd frame of the kind that packages contain.
  ///
  /// - Parameters:
  ///   - kind: what the section contains.
  ///   - isCritical: whether a reader that does not know the kind must refuse the package.
  ///   - frame: the bytes in the file, which are decompressed piece by piece to find the length and the hash of the
  ///     contents.
  /// - Throws: `PackageError.invalidFrame` where a reader would refuse the frame.
  package init(kind: SectionKind, isCritical: Bool, frame: Bytes) throws(PackageError) {
    self.kind = kind
    self.isCritical = isCritical
    encoding = .zstd
    bytes = frame
    storedLength = frame.count
    let part = "\(kind) section"
    let (contents, hash) = try frame.withBytes { frame in
      Result { () throws(PackageError) in
        (try ZstdFrame.measure(frame, kind: kind, part: part), SHA256.hash(frame))
      }
    }.get()
    (rawLength, rawHash) = (contents.byteCount, contents.hash)
    storedHash = hash
  }

  /// A section of an open package, as it is stored.
  ///
  /// - Parameter number: the index in `PackageReader.sections`.
  package init(copying number: Int, of reader: PackageReader) {
    self.init(copying: reader.sections[number], from: reader.storage)
  }

  /// A section as it is stored in an open file.
  init(copying entry: SectionEntry, from storage: TensorStorage) {
    kind = entry.kind
    isCritical = entry.isCritical
    encoding = entry.encoding
    rawLength = entry.rawLength
    rawHash = entry.rawHash
    storedLength = entry.storedLength
    storedHash = entry.storedHash
    bytes = .view(storage, entry.range)
  }
}

extension PendingSection.Bytes {
  /// The number of bytes.
  package var count: Int {
    switch self {
    case .array(let bytes): bytes.count
    case .view(_, let range): range.count
    case .tensor(let tensor): tensor.byteCount
    }
  }

  /// Calls `body` with the bytes, which are valid until it returns.
  ///
  /// - Throws: What `body` throws.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch self {
    case .array(let bytes): try bytes.withUnsafeBytes(body)
    case .view(let storage, let range): try storage.withBytes(in: range, body)
    case .tensor(let tensor): try tensor.withBytes(body)
    }
  }
}
