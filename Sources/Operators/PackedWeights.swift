/// 64-byte aligned memory for weights in a kernel's order.
final class PackedWeights<Element: BitwiseCopyable>: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Element>

  /// - Parameter fill: writes all `count` elements.
  init(count: Int, fill: (UnsafeMutablePointer<Element>) -> Void) {
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * MemoryLayout<Element>.stride, alignment: 64)
    pointer = raw.bindMemory(to: Element.self, capacity: max(count, 1))
    fill(pointer)
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}
