import Checkpoints
import Tensors

/// What constant folding may take, for all translations of a model together: a node of a few bytes can compute millions
/// of elements, and thousands of nodes can keep such results.
///
/// Work is counted in elements that are read or written. Memory is that of the results that are still referred to, and
/// of the node that is being folded. Both limits grow with the file, as large models standardise, transpose or
/// dequantise weights that the file contains.
final class ONNXFoldingBudget {
  /// The number of elements that may be read or written for a file of no size, and for each of its bytes. Every
  /// translation reads the weights, those of quantised models twice.
  static let (freeWork, workPerByte) = (1 << 23, 24)
  /// The memory in bytes that may be taken for a file of no size, and for each of its bytes.
  static let (freeMemory, memoryPerByte) = (28 << 20, 24)
  /// Elements are Doubles while a node is folded, and then elements of a tensor.
  private static let bytesPerElement = 12

  private var workBudget: ModelBudget
  private let memoryLimit: Int
  private let fileBytes: Int
  var work: Int { workBudget.used }
  /// The elements of the node that is being folded.
  private var current = 0
  /// The storages of results that may still be referred to, with their sizes.
  private var kept: [(storage: WeakStorage, byteCount: Int)] = []
  private(set) var keptBytes = 0
  /// Releases results that can be computed again.
  var releaseCache: () -> Void = {}

  private struct WeakStorage { weak var storage: TensorStorage? }

  /// - Parameter fileBytes: the size of the model with its external data.
  init(fileBytes: Int) {
    self.fileBytes = fileBytes
    workBudget = ModelBudget(free: Self.freeWork, perByte: Self.workPerByte, modelBytes: fileBytes)
    memoryLimit = ModelBudget(free: Self.freeMemory, perByte: Self.memoryPerByte, modelBytes: fileBytes).limit
  }

  /// Starts with another node.
  func begin() { current = 0 }

  /// Asks for memory and work before elements are read or written.
  ///
  /// - Throws: `ONNXFolding.Failure` where one of the limits would be exceeded.
  func claim(_ count: Int) throws(ONNXFolding.Failure) {
    try claimWork(count)
    current += count
    let (needed, overflow) = current.multipliedReportingOverflow(by: Self.bytesPerElement)
    let fits = !overflow && needed <= memoryLimit
    if fits, keptBytes > memoryLimit - needed { forgetReleased() }
    if fits, keptBytes > memoryLimit - needed {
      releaseCache()
      forgetReleased()
    }
    guard fits, keptBytes <= memoryLimit - needed else {
      throw ONNXFolding.Failure(
        "computes too many constants at once: besides the \(keptBytes) bytes of earlier results, it takes \(needed) "
          + "bytes, and for a model of \(fileBytes) bytes at most \(memoryLimit) are taken; fold constants when "
          + "exporting, or with onnxsim")
    }
  }

  /// Asks for work alone, before elements are read.
  ///
  /// - Throws: `ONNXFolding.Failure` where the limit would be exceeded.
  func claimWork(_ count: Int) throws(ONNXFolding.Failure) {
    guard workBudget.claim(count) else {
      throw ONNXFolding.Failure(
        "is one computation of constants too many: nodes before it have computed \(work) elements, and for a model of "
          + "\(fileBytes) bytes at most \(workBudget.limit) are computed; fold constants when exporting, or with "
          + "onnxsim")
    }
  }

  /// Counts the memory of a result for as long as anything refers to it.
  func keep(_ result: Tensor) {
    // Views of the file, and results that are small, are no memory of this kind.
    guard result.storage.isAllocated, result.storage.bytes.count >= 256 else { return }
    if let last = kept.last?.storage.storage, last === result.storage { return }
    kept.append((WeakStorage(storage: result.storage), result.storage.bytes.count))
    keptBytes += result.storage.bytes.count
  }

  private func forgetReleased() {
    var seen: Set<ObjectIdentifier> = []
    kept.removeAll { entry in
      guard let storage = entry.storage.storage else { return true }
      return !seen.insert(ObjectIdentifier(storage)).inserted
    }
    keptBytes = kept.reduce(0) { $0 + $1.byteCount }
  }
}
