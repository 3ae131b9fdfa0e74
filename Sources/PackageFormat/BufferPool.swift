import CZstd
import Tensors
import Threads

/// Memory for short-lived tensors, and for their decompression. A buffer that one tensor returns is reused for the
/// next, which saves mapping its pages again. Unused buffers are freed with the pool, and the others when the last
/// tensor that uses them is freed.
final class BufferPool: Sendable {
  private struct Buffers: @unchecked Sendable {
    var free: [UnsafeMutableRawBufferPointer] = []
    /// States of libzstd's decompressor that are not in use.
    var contexts: [OpaquePointer] = []
  }

  private let buffers = Mutex(Buffers())

  deinit {
    buffers.withLock {
      for buffer in $0.free { buffer.deallocate() }
      for context in $0.contexts { ZSTD_freeDCtx(context) }
    }
  }

  /// Calls `body` with a state of libzstd's decompressor, which nothing else uses meanwhile; `nil` where there is no
  /// memory for one.
  func withContext<Result>(_ body: (OpaquePointer?) -> Result) -> Result {
    nonisolated(unsafe) let context = buffers.withLock { $0.contexts.popLast() } ?? ZSTD_createDCtx()
    defer { if let context { buffers.withLock { $0.contexts.append(context) } } }
    return body(context)
  }

  /// The number of bytes below which memory is not reused, so that a bias does not take the place of weights.
  private static let minReused = 1 << 16

  /// A storage with 64-byte alignment, whose bytes `initialize` must write completely.
  func storage(byteCount: Int, initialize: (UnsafeMutableRawBufferPointer) -> Void) -> TensorStorage {
    guard byteCount >= Self.minReused else { return TensorStorage(byteCount: byteCount, initialize: initialize) }
    nonisolated(unsafe) let memory = take(byteCount)
    let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount])
    initialize(bytes)
    return TensorStorage(borrowing: UnsafeRawBufferPointer(bytes)) { self.give(memory) }
  }

  /// The smallest buffer that is large enough, or a new one in place of the largest.
  private func take(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    let (found, tooSmall) = buffers.withLock { buffers in
      let order = buffers.free.indices.sorted { buffers.free[$0].count < buffers.free[$1].count }
      guard let index = order.first(where: { buffers.free[$0].count >= byteCount }) ?? order.last else {
        return (UnsafeMutableRawBufferPointer?.none, UnsafeMutableRawBufferPointer?.none)
      }
      let buffer = buffers.free.remove(at: index)
      return buffer.count >= byteCount ? (buffer, nil) : (nil, buffer)
    }
    tooSmall?.deallocate()
    return found ?? .allocate(byteCount: max(byteCount, 1), alignment: 64)
  }

  private func give(_ buffer: UnsafeMutableRawBufferPointer) {
    nonisolated(unsafe) let buffer = buffer
    buffers.withLock { $0.free.append(buffer) }
  }
}
