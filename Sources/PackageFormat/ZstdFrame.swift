import CZstd
import Tensors

/// The one kind of zstd frame that packages contain: a single frame with content size and checksum, a window of at most
/// 8 MiB, and no dictionary (RFC 8878).
enum ZstdFrame {
  /// The compression levels. Both are tried, and the shorter frame is used: that of level 1 for weights with many
  /// distinct values, that of level 9 for sparse weights and text. Levels above 9 gain nothing on weights and take 20
  /// times as long.
  static let levels: [Int32] = [1, 9]
  static let windowLimit = 8 << 20
  /// What functions of libzstd return for a lack of memory: the negative of `ZSTD_error_memory_allocation`.
  private static let memoryError = -64

  /// The shortest frame; `nil` if it does not save an aligned block, or is shorter than the format allows.
  static func compress(_ contents: UnsafeRawBufferPointer) -> [UInt8]? {
    var best: [UInt8]?
    for level in levels {
      let frame = compress(contents, level: level)
      if frame.count < best?.count ?? .max { best = frame }
    }
    guard let best, let stored = FileHeader.aligned(best.count), let raw = FileHeader.aligned(contents.count),
      stored < raw, SectionIndex.mayCompress(rawLength: contents.count, to: best.count)
    else { return nil }
    return best
  }

  /// A frame from a single thread, whose bytes depend only on the contents and the version of libzstd. A lack of memory
  /// ends the process, as it does where Swift allocates: storing the contents as they are would give another package.
  private static func compress(_ contents: UnsafeRawBufferPointer, level: Int32) -> [UInt8] {
    guard let context = ZSTD_createCCtx() else { fatalError("not enough memory for zstd") }
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    let capacity = ZSTD_compressBound(contents.count)
    precondition(ZSTD_isError(capacity) == 0, "a section is longer than zstd compresses")
    return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      count = ZSTD_compress2(context, buffer.baseAddress, buffer.count, contents.baseAddress, contents.count)
      precondition(ZSTD_isError(count) == 0, "not enough memory for zstd")
    }
  }

  /// Decompresses a frame of the kind that packages contain, whose length is taken from the frame.
  ///
  /// - Throws: `PackageError.invalidFrame`, also for contents that would be too long for a package.
  static func decompress(_ frame: UnsafeRawBufferPointer, part: String) throws(PackageError) -> TensorStorage {
    guard let byteCount = Int(exactly: ZSTD_getFrameContentSize(frame.baseAddress, frame.count)),
      SectionIndex.mayCompress(rawLength: byteCount, to: frame.count)
    else { throw .invalidFrame(part: part, problem: "the zstd frame states no length, or one that is too large") }
    return try decompress(frame, byteCount: byteCount, part: part)
  }

  /// Decompresses a frame of the kind that packages contain into exactly `byteCount` bytes.
  ///
  /// - Parameters:
  ///   - frame: the compressed bytes.
  ///   - byteCount: the length of the contents.
  ///   - part: the name of the section, for errors.
  ///   - pool: the pool to take memory from; `nil` to allocate it.
  /// - Throws: `PackageError.invalidFrame`, or `memory` where libzstd has none.
  static func decompress(
    _ frame: UnsafeRawBufferPointer, byteCount: Int, part: String, pool: BufferPool? = nil
  ) throws(PackageError) -> TensorStorage {
    if let problem = headerProblem(frame, byteCount: byteCount) { throw .invalidFrame(part: part, problem: problem) }
    var result = 0
    let fill: (UnsafeMutableRawBufferPointer) -> Void = { target in
      func decompress(_ context: OpaquePointer?) {
        result =
          context.map { ZSTD_decompressDCtx($0, target.baseAddress, target.count, frame.baseAddress, frame.count) }
          ?? ZSTD_decompress(target.baseAddress, target.count, frame.baseAddress, frame.count)
      }
      if let pool { pool.withContext(decompress) } else { decompress(nil) }
    }
    let storage =
      pool?.storage(byteCount: byteCount, initialize: fill) ?? TensorStorage(byteCount: byteCount, initialize: fill)
    guard result != memoryError else { throw .memory(part: part) }
    guard ZSTD_isError(result) == 0 else {
      throw .invalidFrame(part: part, problem: "zstd: \(String(cString: ZSTD_getErrorName(result)))")
    }
    guard result == byteCount else {
      throw .invalidFrame(part: part, problem: "decompresses to \(result) bytes instead of \(byteCount)")
    }
    return storage
  }

  /// Why a frame is not of the kind that packages contain, read from its header (RFC 8878, section 3.1.1.1); `nil` if
  /// it is.
  static func headerProblem(_ frame: UnsafeRawBufferPointer, byteCount: Int) -> String? {
    guard frame.count >= 6, frame.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) else { return "is not a zstd frame" }
    let descriptor = frame[4]
    let isSingleSegment = descriptor & 0x20 != 0
    guard descriptor & 0x08 == 0 else { return "the zstd frame has a reserved bit set" }
    guard descriptor & 0x04 != 0 else { return "the zstd frame has no checksum" }
    guard descriptor & 0x03 == 0 else { return "the zstd frame needs a dictionary" }
    let size = ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
    guard size == UInt64(byteCount) else { return "the zstd frame does not say that it has \(byteCount) bytes" }
    let window: Int
    if isSingleSegment {
      window = byteCount
    } else {
      let exponent = Int(frame[5] >> 3)
      let mantissa = Int(frame[5] & 7)
      window = (1 << (10 + exponent)) + (1 << (7 + exponent)) * mantissa
    }
    guard window <= windowLimit else { return "the zstd frame needs a window of \(window) bytes" }
    guard ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count) == frame.count else {
      return "is something other than one zstd frame"
    }
    return nil
  }
}
