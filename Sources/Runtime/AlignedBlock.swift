import Glibc
import Graphs
import Operators

/// Memory aligned as kernels want it, given back with the object.
final class AlignedBlock {
  let memory: UnsafeMutableRawBufferPointer

  /// - Parameter purpose: what the bytes are of, for the error.
  /// - Throws: `GraphError.inputSize`: a well-formed graph can ask for more memory than there is.
  init(byteCount: Int, for purpose: @autoclosure () -> String) throws(GraphError) {
    let rounded = ActivationLayout.roundUp(max(byteCount, 1), to: ActivationLayout.alignment)
    guard let start = aligned_alloc(ActivationLayout.alignment, rounded) else {
      throw .inputSize("no memory for the \(byteCount) bytes of \(purpose())")
    }
    memory = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }

  deinit { free(memory.baseAddress) }
}
