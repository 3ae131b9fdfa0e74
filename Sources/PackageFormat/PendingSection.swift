import Files
import Tensors

/// A section on its way into a file: everything but its place is known.
package struct PendingSection: Sendable {
  package enum Bytes: Sendable {
    case array([UInt8])
    case view(TensorStorage, Range<Int>)
    /// Contiguous.
    case tensor(Tensor)
  }

  package var kind: SectionKind
  package var isCritical: Bool
  package var encoding: SectionEncoding
  package var rawLength: Int
  package var rawHash: SHA256.Digest
  package var storedLength: Int
  package var storedHash: SHA256.Digest
  package var bytes: Bytes

  /// A section with contents that are compressed where that helps.
  package init(
    kind: SectionKind, isCritical: Bool, contents: Bytes, rawHash: SHA256.Digest? = nil, compressing: Bool = true
  ) {
    self.kind = kind
    self.isCritical = isCritical
    let hash = rawHash ?? contents.withBytes { SHA256.hash($0) }
    self.rawHash = hash
    rawLength = contents.count
    if compressing, let frame = contents.withBytes({ ZstdFrame.compress($0) }) {
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

  /// A section as it lies in a file that exists.
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
  package var count: Int {
    switch self {
    case .array(let bytes): bytes.count
    case .view(_, let range): range.count
    case .tensor(let tensor): tensor.byteCount
    }
  }

  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch self {
    case .array(let bytes): try bytes.withUnsafeBytes(body)
    case .view(let storage, let range): try storage.withBytes(in: range, body)
    case .tensor(let tensor): try tensor.withBytes(body)
    }
  }
}
