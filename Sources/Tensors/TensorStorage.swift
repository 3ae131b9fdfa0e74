/// Read-only bytes that tensors are views of: owned memory, or a mapped file.
///
/// The bytes never change after initialisation, so threads may share storages freely.
package final class TensorStorage: @unchecked Sendable {
  /// The bytes, which are valid for as long as this object lives.
  package let bytes: UnsafeRawBufferPointer
  private let release: @Sendable () -> Void
  private let discard: (@Sendable (Range<Int>) -> Void)?

  /// Wraps bytes that stay valid and unchanged until `release` is called, which happens once, when the last tensor
  /// that views them is gone.
  ///
  /// - Parameters:
  ///   - discard: for bytes that can be read again, like those of a mapped file: gives the memory of a range of them
  ///     back to the system. The bytes must stay valid.
  ///   - release: frees or unmaps the bytes.
  package init(
    borrowing bytes: UnsafeRawBufferPointer, discard: (@Sendable (Range<Int>) -> Void)? = nil,
    release: @escaping @Sendable () -> Void
  ) {
    self.bytes = bytes
    self.discard = discard
    self.release = release
  }

  /// Whether the bytes are memory of the process, rather than those of a mapped file.
  package var isAllocated: Bool { discard == nil }

  /// Gives the memory of a range of bytes back to the system if they are those of a mapped file, for bytes that were
  /// read and will not be needed soon. They stay valid: touching them reads the file (in practice the page cache) once
  /// more.
  ///
  /// - Parameter range: is clamped to the storage.
  package func releasePages(_ range: Range<Int>) {
    let range = range.clamped(to: 0..<bytes.count)
    if !range.isEmpty { discard?(range) }
  }

  /// Owned memory of `byteCount` bytes (but at least one, so that its address is not `nil`), aligned to 64 bytes and
  /// filled by `initialize`, which must write every byte.
  ///
  /// - Throws: What `initialize` throws.
  package convenience init(
    byteCount: Int, initialize: (UnsafeMutableRawBufferPointer) throws -> Void
  ) rethrows {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
    do {
      try initialize(UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount]))
    } catch {
      memory.deallocate()
      throw error
    }
    nonisolated(unsafe) let owned = memory
    self.init(borrowing: UnsafeRawBufferPointer(rebasing: memory[..<byteCount]), release: { owned.deallocate() })
  }

  deinit { release() }
}
