import CZstd
import Files
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

  /// The size in bytes from which only one frame is held at a time, and made again where it was the shorter one.
  private static let largeContents = 4 << 20

  /// The shortest frame; `nil` if it does not save an aligned block, or is shorter than the format allows.
  ///
  /// - Parameters:
  ///   - contents: the bytes to compress.
  ///   - kind: the kind of the section, on which the allowed length depends.
  static func compress(_ contents: UnsafeRawBufferPointer, kind: SectionKind) -> [UInt8]? {
    var shortest = (level: Int32(0), byteCount: Int.max)
    var kept: [UInt8]?
    for level in levels {
      if contents.count >= largeContents { kept = nil }
      let frame = compress(contents, level: level)
      guard frame.count < shortest.byteCount else { continue }
      shortest = (level, frame.count)
      kept = frame
    }
    guard let stored = FileHeader.aligned(shortest.byteCount), let raw = FileHeader.aligned(contents.count),
      stored < raw, SectionIndex.mayCompress(kind, rawLength: contents.count, to: shortest.byteCount)
    else { return nil }
    return kept ?? compress(contents, level: shortest.level)
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

  /// The length and the hash of the contents of a frame of the kind that packages contain. They are decompressed piece
  /// by piece, and never held as a whole.
  ///
  /// - Parameters:
  ///   - frame: the compressed bytes.
  ///   - kind: the kind of the section, on which the allowed length depends.
  ///   - part: the name of the section, for errors.
  /// - Throws: `PackageError.invalidFrame`, also for contents that would be too long for a package; `.memory` where
  ///   libzstd has none.
  static func measure(
    _ frame: UnsafeRawBufferPointer, kind: SectionKind, part: String
  ) throws(PackageError) -> (byteCount: Int, hash: SHA256.Digest) {
    guard let byteCount = Int(exactly: ZSTD_getFrameContentSize(frame.baseAddress, frame.count)),
      SectionIndex.mayCompress(kind, rawLength: byteCount, to: frame.count)
    else { throw .invalidFrame(part: part, problem: "the zstd frame states no length, or one that is too large") }
    if let problem = headerProblem(frame, byteCount: byteCount) { throw .invalidFrame(part: part, problem: problem) }
    guard let context = ZSTD_createDCtx() else { throw .memory(part: part) }
    defer { ZSTD_freeDCtx(context) }
    var hash = SHA256()
    var made = 0
    // What libzstd still expects, or its error.
    var result = 1
    var input = ZSTD_inBuffer(src: frame.baseAddress, size: frame.count, pos: 0)
    withUnsafeTemporaryAllocation(byteCount: ZSTD_DStreamOutSize(), alignment: 16) { piece in
      while result != 0, ZSTD_isError(result) == 0 {
        let start = input.pos
        var output = ZSTD_outBuffer(dst: piece.baseAddress, size: piece.count, pos: 0)
        result = ZSTD_decompressStream(context, &output, &input)
        guard output.pos > 0 || input.pos > start else { break }
        hash.update(UnsafeRawBufferPointer(rebasing: piece[..<output.pos]))
        made += output.pos
      }
    }
    try check(ZSTD_isError(result) == 0 ? made : result, byteCount: byteCount, part: part)
    return (made, hash.finalize())
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
    try check(result, byteCount: byteCount, part: part)
    return storage
  }

  /// Throws what went wrong where a result of libzstd is not the number of bytes that are expected.
  private static func check(_ result: Int, byteCount: Int, part: String) throws(PackageError) {
    guard result != memoryError else { throw .memory(part: part) }
    guard ZSTD_isError(result) == 0 else {
      throw .invalidFrame(part: part, problem: "zstd: \(String(cString: ZSTD_getErrorName(result)))")
    }
    guard result == byteCount else {
      throw .invalidFrame(part: part, problem: "decompresses to \(result) bytes instead of \(byteCount)")
    }
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
