import CZlib

/// Gzip (RFC 1952), by zlib: without a name and a time, so that the bytes depend only on the contents and the version
/// of zlib.
enum Gzip {
  /// The first bytes of what was compressed, at most `count`; `nil` where that is damaged.
  static func start(of compressed: [UInt8], count: Int) -> [UInt8]? {
    var stream = z_stream()
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
    defer { inflateEnd(&stream) }
    var result = [UInt8](repeating: 0, count: count)
    let status = compressed.withUnsafeBufferPointer { input in
      result.withUnsafeMutableBufferPointer { output in
        stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        stream.avail_in = UInt32(clamping: input.count)
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(clamping: output.count)
        return inflate(&stream, Z_SYNC_FLUSH)
      }
    }
    guard status == Z_OK || status == Z_STREAM_END else { return nil }
    return Array(result.prefix(count - Int(stream.avail_out)))
  }

  /// - Throws: `DebianError.cannotStore` where zlib fails for lack of memory.
  static func compress(_ contents: [UInt8]) throws(DebianError) -> [UInt8] {
    var stream = z_stream()
    // 15 is the largest window as a power of two; 16 more ask for gzip's header. 8 is the default amount of memory.
    guard
      deflateInit2_(
        &stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
        Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { throw .cannotStore("zlib cannot be initialised") }
    defer { deflateEnd(&stream) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var status = Z_OK
    var offset = 0
    while status == Z_OK {
      // zlib counts in 32 bits.
      let chunk = min(contents.count - offset, 1 << 24)
      let consumed = contents.withUnsafeBufferPointer { input in
        buffer.withUnsafeMutableBufferPointer { output in
          stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress.map { $0 + offset })
          stream.avail_in = UInt32(chunk)
          stream.next_out = output.baseAddress
          stream.avail_out = UInt32(output.count)
          status = deflate(&stream, offset + chunk == contents.count ? Z_FINISH : Z_NO_FLUSH)
          return chunk - Int(stream.avail_in)
        }
      }
      offset += consumed
      result += buffer.prefix(buffer.count - Int(stream.avail_out))
    }
    guard status == Z_STREAM_END else { throw .cannotStore("zlib failed with the status \(status)") }
    return result
  }
}
