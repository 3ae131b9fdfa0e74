import CKernels

/// Memory, aligned to 64 bytes, for weights in the order in which a kernel reads them.
final class PackedWeights<Element: BitwiseCopyable>: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Element>
  let byteCount: Int
  private let isMapped: Bool

  /// The number of bytes from which weights get their own pages. These are returned to the system when the weights are
  /// freed, whatever was allocated in the meantime.
  private static var minMapped: Int { 1 << 18 }

  /// - Parameter fill: Writes all `count` elements.
  init(count: Int, fill: (UnsafeMutablePointer<Element>) -> Void) {
    byteCount = max(count, 1) * MemoryLayout<Element>.stride
    let mapped = byteCount >= Self.minMapped ? quern_map_pages(byteCount) : nil
    isMapped = mapped != nil
    let raw = mapped ?? UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
    pointer = raw.bindMemory(to: Element.self, capacity: max(count, 1))
    fill(pointer)
  }

  deinit {
    if isMapped { quern_unmap_pages(pointer, byteCount) } else { UnsafeMutableRawPointer(pointer).deallocate() }
  }
}
