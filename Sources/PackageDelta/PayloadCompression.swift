import CZstd

/// The zstd frames of patches. They have neither checksum nor content size: the directory states the size, and a hash
/// covers the whole patch.
enum PayloadCompression {
  /// The version of the library, such as 10504 for 1.5.4.
  static var version: Int { Int(ZSTD_versionNumber()) }
  /// All levels are tried, and the shortest frame is used. Which level gives it depends on how sparse the bytes are.
  static let levels: [Int32] = [1, 9, 19]
  /// The level for bytes with a prefix, where only matches count.
  static let prefixLevel: Int32 = 19
  /// The largest window, as a power of two: older bytes of a longer prefix are out of reach.
  static let windowLimit: Int32 = 27

  /// The shortest frame of `bytes`; `nil` if libzstd refuses it.
  static func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    var best: [UInt8]?
    for level in levels {
      let frame = compress(bytes, level: level, prefix: nil)
      if let frame, frame.count < best?.count ?? .max { best = frame }
    }
    return best
  }

  /// The shortest frame of `bytes`; `nil` if libzstd refuses it.
  static func compress(_ bytes: [UInt8]) -> [UInt8]? { bytes.withUnsafeBytes { compress($0) } }

  /// A frame of `bytes`; `nil` if libzstd refuses it.
  ///
  /// - Parameters:
  ///   - bytes: the bytes to compress.
  ///   - prefix: bytes that the decompressor has, too, and that matches may refer to.
  static func compress(_ bytes: UnsafeRawBufferPointer, prefix: UnsafeRawBufferPointer) -> [UInt8]? {
    compress(bytes, level: prefixLevel, prefix: prefix)
  }

  private static func compress(
    _ bytes: UnsafeRawBufferPointer, level: Int32, prefix: UnsafeRawBufferPointer?
  ) -> [UInt8]? {
    // A lack of memory ends the process, as it does where Swift allocates: another coding would give another patch.
    guard let context = ZSTD_createCCtx() else { fatalError("not enough memory for zstd") }
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)
    if let prefix, !prefix.isEmpty {
      let (reach, overflow) = prefix.count.addingReportingOverflow(bytes.count)
      let log = overflow ? windowLimit : Int32(Int.bitWidth - max(reach - 1, 1).leadingZeroBitCount)
      ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, min(max(log, 10), windowLimit))
      guard ZSTD_isError(ZSTD_CCtx_refPrefix(context, prefix.baseAddress, prefix.count)) == 0 else { return nil }
    }
    let capacity = ZSTD_compressBound(bytes.count)
    guard ZSTD_isError(capacity) == 0 else { return nil }
    let frame = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
      count = ZSTD_compress2(context, buffer.baseAddress, buffer.count, bytes.baseAddress, bytes.count)
      precondition(ZSTD_isError(count) == 0, "not enough memory for zstd")
    }
    return frame.isEmpty ? nil : frame
  }

  /// Decompresses a frame into exactly `byteCount` bytes. libzstd decompresses into this memory directly, so that no
  /// window of the frame's choice is reserved.
  ///
  /// - Parameters:
  ///   - frame: the frame.
  ///   - byteCount: the length of the contents.
  ///   - prefix: the prefix that the frame was compressed with.
  ///   - entry: the name of the part, for errors.
  /// - Throws: `PatchError.invalidField`, or `memory` where libzstd has none.
  static func decompress(
    _ frame: UnsafeRawBufferPointer, byteCount: Int, prefix: UnsafeRawBufferPointer? = nil, entry: String
  ) throws(PatchError) -> [UInt8] {
    func invalid(_ problem: String) -> PatchError { .invalidField(part: entry, field: "payload", problem: problem) }
    guard let context = ZSTD_createDCtx() else { throw .memory(part: entry) }
    defer { ZSTD_freeDCtx(context) }
    guard ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count) == frame.count else {
      throw invalid("is not one zstd frame")
    }
    if let prefix, !prefix.isEmpty {
      guard ZSTD_isError(ZSTD_DCtx_refPrefix(context, prefix.baseAddress, prefix.count)) == 0 else {
        throw invalid("zstd takes no prefix")
      }
    }
    var result = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: max(byteCount, 1)) { buffer, count in
      result = ZSTD_decompressDCtx(context, buffer.baseAddress, byteCount, frame.baseAddress, frame.count)
      count = ZSTD_isError(result) == 0 ? result : 0
    }
    // The negative of `ZSTD_error_memory_allocation`.
    guard result != -64 else { throw .memory(part: entry) }
    guard ZSTD_isError(result) == 0 else { throw invalid("zstd: \(String(cString: ZSTD_getErrorName(result)))") }
    guard bytes.count == byteCount else { throw invalid("decompresses to \(result) bytes instead of \(byteCount)") }
    return bytes
  }
}
