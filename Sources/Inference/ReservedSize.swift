import Glibc
import Graphs
import Pixels
import Runtime

/// 8-bit RGB pixels in memory that somebody else owns. The layout is that of `quern_image`.
package struct PixelView: @unchecked Sendable {
  /// The first byte of the first row.
  package let pixels: UnsafePointer<UInt8>
  /// Rows; at least 1.
  package let height: Int
  /// Pixels in a row; at least 1.
  package let width: Int
  /// Bytes from the start of a row to that of the next; at least 3 * width, or 0 for that.
  package let rowStride: Int

  package init(pixels: UnsafePointer<UInt8>, height: Int, width: Int, rowStride: Int = 0) {
    (self.pixels, self.height, self.width, self.rowStride) = (pixels, height, width, rowStride)
  }
}

/// What a session has reserved for images of one size.
final class ReservedSize {
  /// Of the images in pixels.
  let height: Int
  /// Of the images in pixels.
  let width: Int
  /// The value of the session's clock when the size was used last.
  var lastUse = 0
  private let resizing: ResamplingPlan?
  private let normalizes: Bool
  /// One for each worker that evaluates images by itself.
  private var alone: [Evaluation] = []
  /// For images that all threads evaluate together.
  private var together: Evaluation?

  init(height: Int, width: Int, _ resizing: ResamplingPlan?, normalizes: Bool) {
    (self.height, self.width, self.resizing, self.normalizes) = (height, width, resizing, normalizes)
  }

  /// The number of bytes of the network's input, as pixels.
  var inputByteCount: Int { resizing?.byteCount ?? height * width * 3 }

  /// The number of bytes of scratch memory that a worker needs.
  var scratchByteCount: Int { (resizing?.scratchByteCount ?? 0) + (normalizes ? inputByteCount : 0) }

  /// Makes sure that memory is reserved. Allocates nothing if it is.
  ///
  /// - Parameter isTogether: whether all threads will evaluate an image together.
  /// - Returns: whether activations were reserved anew.
  /// - Throws: `InferenceError.graph` or `.memory`.
  func reserve(
    in session: Session, _ scratch: [ScratchMemory], together isTogether: Bool
  ) throws(InferenceError) -> Bool {
    for memory in isTogether ? scratch[..<1] : scratch[...] { try memory.reserve(scratchByteCount) }
    if isTogether {
      guard together?.isCurrent != true else { return false }
      together = nil
      together = try evaluation(in: session, worker: nil)
    } else {
      guard alone.isEmpty || !alone.allSatisfy(\.isCurrent) else { return false }
      alone = []
      for worker in scratch.indices { alone.append(try evaluation(in: session, worker: worker)) }
    }
    return true
  }

  /// Reserves again what was reserved before, where a larger size has moved the memory.
  ///
  /// - Throws: `InferenceError.graph`.
  func renew(in session: Session) throws(InferenceError) {
    if together?.isCurrent == false { together = try evaluation(in: session, worker: nil) }
    for worker in alone.indices where !alone[worker].isCurrent {
      alone[worker] = try evaluation(in: session, worker: worker)
    }
  }

  private func evaluation(in session: Session, worker: Int?) throws(InferenceError) -> Evaluation {
    do throws(GraphError) {
      return try session.evaluation(
        height: resizing?.height ?? height, width: resizing?.width ?? width, worker: worker)
    } catch {
      throw .graph(error)
    }
  }

  /// The evaluation by a worker, or by all threads together.
  func evaluation(worker: Int?) -> Evaluation? { worker.map { alone[$0] } ?? together }

  /// Writes the network's input, as pixels.
  ///
  /// - Parameter scratch: as many bytes as the resizing needs.
  func resize(_ image: PixelView, scratch: UnsafeMutablePointer<UInt8>?, to target: UnsafeMutablePointer<UInt8>?) {
    let row = width * 3
    let stride = image.rowStride == 0 ? row : image.rowStride
    if let resizing { return resizing.run(image.pixels, stride: stride, scratch: scratch, to: target) }
    guard let target else { return }
    for y in 0..<height { (target + y * row).update(from: image.pixels + y * stride, count: row) }
  }
}

/// Memory that grows to the largest size that was requested.
final class ScratchMemory {
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit { free(memory.baseAddress) }

  /// The first byte; `nil` if nothing was requested.
  var bytes: UnsafeMutablePointer<UInt8>? { memory.baseAddress?.assumingMemoryBound(to: UInt8.self) }

  /// - Throws: `InferenceError.memory` where the memory does not suffice.
  func reserve(_ byteCount: Int) throws(InferenceError) {
    guard memory.count < byteCount else { return }
    free(memory.baseAddress)
    memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    guard let start = malloc(byteCount) else { throw .memory(byteCount: byteCount) }
    memory = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }
}
