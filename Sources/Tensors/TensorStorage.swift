/// Read-only bytes that tensors are views of: owned memory, or a mapped file.
///
/// The bytes never change after initialisation, so storages are shared freely between threads.
public final class TensorStorage: @unchecked Sendable {
  public let bytes: UnsafeRawBufferPointer
  private let release: @Sendable () -> Void

  /// Wraps bytes that stay valid and unchanged until `release` is called, which happens once, when the last tensor
  /// that views them is gone.
  public init(borrowing bytes: UnsafeRawBufferPointer, release: @escaping @Sendable () -> Void) {
    self.bytes = bytes
    self.release = release
  }

  /// Owned memory, 64-byte aligned and at least one byte long, filled by `initialize`, which must write every byte.
  public convenience init(
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
