import Glibc
import Graphs
import Operators

/// Memory with the alignment that kernels need, freed with the object.
final class AlignedBlock {
  let memory: UnsafeMutableRawBufferPointer

  /// - Parameter purpose: What the bytes are for, as the error message says it.
  /// - Throws: `GraphError.memory` where they cannot be allocated: a well-formed graph can need more memory than the
  ///   machine has.
  init(byteCount: Int, for purpose: @autoclosure () -> String) throws(GraphError) {
    let rounded = ActivationLayout.roundUp(max(byteCount, 1), to: ActivationLayout.alignment)
    guard let start = aligned_alloc(ActivationLayout.alignment, rounded) else {
      throw .memory("cannot allocate \(byteCount) bytes for \(purpose())")
    }
    memory = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }

  deinit { free(memory.baseAddress) }
}
