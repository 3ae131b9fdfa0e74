/// Read-only bytes that tensors are views of: owned memory, or a mapped file.
///
/// The bytes never change after initialisation, so storages are shared freely between threads.
package final class TensorStorage: @unchecked Sendable {
  package let bytes: UnsafeRawBufferPointer
  private let release: @Sendable () -> Void
  private let discard: (@Sendable (Range<Int>) -> Void)?

  /// Wraps bytes that stay valid and unchanged until `release` is called, which happens once, when the last tensor
  /// that views them is gone.
  ///
  /// - Parameter discard: for bytes that can be had again, as a mapped file's: gives back the memory of a range of them.
  ///   They stay valid.
  package init(
    borrowing bytes: UnsafeRawBufferPointer, discard: (@Sendable (Range<Int>) -> Void)? = nil,
    release: @escaping @Sendable () -> Void
  ) {
    self.bytes = bytes
    self.discard = discard
    self.release = release
  }

  /// Gives back the memory of bytes that were read and will not be soon again, where they are a mapped file's. They stay
  /// valid: touching them reads the file (in practice the page cache) once more.
  package func releasePages(_ range: Range<Int>) {
    let range = range.clamped(to: 0..<bytes.count)
    if !range.isEmpty { discard?(range) }
  }

  /// Owned memory, 64-byte aligned and at least one byte long, filled by `initialize`, which must write every byte.
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
