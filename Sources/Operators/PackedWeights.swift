import CKernels

/// 64-byte aligned memory for weights in a kernel's order.
final class PackedWeights<Element: BitwiseCopyable>: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Element>
  private let byteCount: Int
  private let isMapped: Bool

  /// From how many bytes on memory goes back to the system when the weights are put away, whatever else lives by then.
  private static var leastMapped: Int { 1 << 18 }

  /// - Parameter fill: writes all `count` elements.
  init(count: Int, fill: (UnsafeMutablePointer<Element>) -> Void) {
    byteCount = max(count, 1) * MemoryLayout<Element>.stride
    let mapped = byteCount >= Self.leastMapped ? quern_map_pages(byteCount) : nil
    isMapped = mapped != nil
    let raw = mapped ?? UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
    pointer = raw.bindMemory(to: Element.self, capacity: max(count, 1))
    fill(pointer)
  }

  deinit {
    if isMapped { quern_unmap_pages(pointer, byteCount) } else { UnsafeMutableRawPointer(pointer).deallocate() }
  }
}
