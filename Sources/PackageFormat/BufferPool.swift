import Synchronization
import Tensors

/// Memory for tensors that do not live long: what one gave back the next one takes, which the system has mapped already.
/// What lies here is freed with the pool, that of tensors still alive with the last of them.
final class BufferPool: Sendable {
  private struct Buffers: @unchecked Sendable {
    var free: [UnsafeMutableRawBufferPointer] = []
  }

  private let buffers = Mutex(Buffers())

  deinit { buffers.withLock { for buffer in $0.free { buffer.deallocate() } } }

  /// A storage, 64-byte aligned, that `initialize` writes whole.
  func storage(byteCount: Int, initialize: (UnsafeMutableRawBufferPointer) -> Void) -> TensorStorage {
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
