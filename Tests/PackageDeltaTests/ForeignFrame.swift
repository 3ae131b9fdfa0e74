import CZstd
import PackageFormat

/// Frames of libzstd, by default of a level that packages do not use.
enum ForeignFrame {
  static func compress(_ contents: UnsafeRawBufferPointer, level: Int32 = 4) throws -> [UInt8] {
    let context = ZSTD_createCCtx()
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    var frame = [UInt8](repeating: 0, count: ZSTD_compressBound(contents.count))
    let count = ZSTD_compress2(context, &frame, frame.count, contents.baseAddress, contents.count)
    guard ZSTD_isError(count) == 0 else { throw PackageError.cannotStore("zstd failed") }
    return Array(frame.prefix(count))
  }
}

/// The frame of a directory.
enum DirectoryFrame {
  static func decompress(_ frame: [UInt8], byteCount: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    guard ZSTD_decompress(&bytes, byteCount, frame, frame.count) == byteCount else {
      throw PackageError.cannotStore("zstd failed")
    }
    return bytes
  }
}
