import CQuern
import Files
import Inference
import Kernels
import PackageFormat
import Threads

/// What `quern_model *` points to: a model, and its texts as C strings.
final class ModelHandle: Sendable {
  let model: EmbeddingModel
  let architecture: CText
  let contentHash: CText
  let labels: [CText]
  private let metadata = Mutex<CText?>(nil)
  private let names = Mutex<[ExactName: CText]>([:])

  /// - Throws: a failure where the package cannot be opened or run.
  init(
    _ options: quern_model_options, open: () throws(PackageError) -> PackageReader
  ) throws(Failure) {
    let knownFlags = QUERN_MODEL_DESCRIBE_ONLY | QUERN_MODEL_CHECK_ALL
    guard options.flags & ~knownFlags == 0, options.reserved == 0 else {
      throw Failure(QUERN_ERROR_UNSUPPORTED, "quern_model_options has flags that this version of libquern lacks")
    }
    let kernels = try Tier(options.tier).kernels()
    let threads = try threadCount(options.threads)
    ProcessMemory.shareLargePages()
    do {
      let reader = try open()
      if options.flags & QUERN_MODEL_CHECK_ALL != 0 { try reader.checkAll(threads: threads) }
      model = try EmbeddingModel(
        reader, kernels: kernels, threads: threads, loadsWeights: options.flags & QUERN_MODEL_DESCRIBE_ONLY == 0)
    } catch let error as PackageError {
      throw Failure(.package(error))
    } catch let error as InferenceError {
      throw Failure(error)
    } catch {
      throw Failure(QUERN_ERROR_INTERNAL, "\(error)")
    }
    architecture = CText(model.network.graph.architecture)
    contentHash = CText(model.network.reader.contentHash.hex)
    labels = model.network.reader.labels.map { CText($0) }
  }

  /// The metadata, which are read when they are first requested.
  ///
  /// - Throws: a failure where they are damaged.
  func metadataText() throws(Failure) -> CText {
    do throws(PackageError) {
      return try metadata.withLock { cached throws(PackageError) in
        if let cached { return cached }
        let text = CText(try model.network.reader.metadata())
        cached = text
        return text
      }
    } catch {
      throw Failure(.package(error))
    }
  }

  /// A name as a C string that lives as long as the model.
  func name(_ text: String) -> UnsafePointer<CChar> {
    names.withLock { names in
      let name = ExactName(text)
      let stored = names[name] ?? CText(text)
      names[name] = stored
      return stored.pointer
    }
  }

  /// The model that a pointer of the interface stands for; `nil` for NULL.
  static func at(_ pointer: OpaquePointer?) -> ModelHandle? {
    pointer.map { Unmanaged<ModelHandle>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
  }

  /// As `at`, for functions that report errors.
  ///
  /// - Throws: a failure for NULL.
  static func required(_ pointer: OpaquePointer?) throws(Failure) -> ModelHandle {
    guard let handle = at(pointer) else { throw .invalid("model is NULL") }
    return handle
  }
}

/// A C string that lives as long as this object.
final class CText: @unchecked Sendable {
  let pointer: UnsafePointer<CChar>
  /// The number of bytes before the zero byte.
  let byteCount: Int

  init(_ text: String) {
    let bytes = text.utf8CString
    let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    bytes.withUnsafeBufferPointer { source in
      if let start = source.baseAddress { memory.update(from: start, count: source.count) }
    }
    pointer = UnsafePointer(memory)
    byteCount = bytes.count - 1
  }

  deinit { pointer.deallocate() }
}

/// The number of threads that an option stands for.
///
/// - Throws: a failure for more threads than anyone is likely to intend.
func threadCount(_ option: UInt32) throws(Failure) -> Int {
  guard option <= 4096 else { throw .invalid("threads is \(option); at most 4096 are allowed") }
  return option == 0 ? ThreadTeam.availableProcessors : Int(option)
}
