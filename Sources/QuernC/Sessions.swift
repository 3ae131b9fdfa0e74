// The names of functions are those of quern.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CQuern
import Inference

/// The largest side of an image that is resized: the weights of a resize, which are in proportion to it, stay small.
private let sideLimit = 1 << 20

private func checkSize(height: Int, width: Int, _ name: @autoclosure () -> String) throws(Failure) {
  guard 1...sideLimit ~= height, 1...sideLimit ~= width else {
    throw .invalid("\(name()) has \(width) x \(height) pixels; each side must be from 1 to \(sideLimit)")
  }
}

private func check(_ image: quern_image, _ index: Int, of count: Int) throws(Failure) {
  guard image.pixels != nil else { throw .invalid("images[\(index)].pixels is NULL") }
  try checkSize(height: image.height, width: image.width, "images[\(index)]")
  let (row, stride) = (3 * image.width, image.row_stride)
  guard stride == 0 || stride >= row, !stride.multipliedReportingOverflow(by: image.height).overflow else {
    throw .invalid("images[\(index)].row_stride is \(stride), and a row of the image has \(row) bytes")
  }
}

/// Checks that memory for `capacity` numbers holds `count` rows.
private func check(_ capacity: Int, _ count: Int, _ row: Int, _ name: String) throws(Failure) {
  guard row > 0 else { throw Failure(QUERN_ERROR_NOT_AVAILABLE, "the network computes no \(name)") }
  let (needed, overflow) = count.multipliedReportingOverflow(by: row)
  guard !overflow, capacity >= needed else {
    throw Failure(
      QUERN_ERROR_BUFFER_TOO_SMALL, "\(name) has memory for \(capacity) numbers, and \(count) x \(row) are needed")
  }
}

#if compiler(>=6.3)
  @c(quern_session_create) @implementation
#else
  @_cdecl("quern_session_create")
#endif
public func quern_session_create(
  _ model: OpaquePointer?, _ options: UnsafePointer<quern_session_options>?,
  _ session: UnsafeMutablePointer<OpaquePointer?>?
) -> quern_status {
  status { () throws(Failure) in
    guard let session else { throw .invalid("session is NULL") }
    session.pointee = nil
    let model = try ModelHandle.required(model).model
    let options = try EmbeddingSession.Options(quern_session_options.read(options))
    let created: EmbeddingSession
    do throws(InferenceError) { created = try EmbeddingSession(model, options) } catch { throw Failure(error) }
    session.pointee = OpaquePointer(Unmanaged.passRetained(SessionHandle(created)).toOpaque())
  }
}

#if compiler(>=6.3)
  @c(quern_session_free) @implementation
#else
  @_cdecl("quern_session_free")
#endif
public func quern_session_free(_ session: OpaquePointer?) {
  if let session { Unmanaged<SessionHandle>.fromOpaque(UnsafeRawPointer(session)).release() }
}

#if compiler(>=6.3)
  @c(quern_peak_memory) @implementation
#else
  @_cdecl("quern_peak_memory")
#endif
public func quern_peak_memory(
  _ model: OpaquePointer?, _ options: UnsafePointer<quern_session_options>?, _ height: Int, _ width: Int,
  _ memory: UnsafeMutablePointer<quern_memory>?
) -> quern_status {
  status { () throws(Failure) in
    try quern_memory.check(memory, "memory")
    let model = try ModelHandle.required(model).model
    let options = try EmbeddingSession.Options(quern_session_options.read(options))
    let isOpen = height == 0 && width == 0
    if !isOpen { try checkSize(height: height, width: width, "the image") }
    let estimate: EmbeddingMemory
    do throws(InferenceError) {
      estimate = try model.memory(options, height: isOpen ? nil : height, width: isOpen ? nil : width)
    } catch {
      throw Failure(error)
    }
    var result = quern_memory()
    result.model_bytes = UInt64(clamping: estimate.model)
    result.loading_bytes = UInt64(clamping: estimate.loading)
    result.session_bytes = UInt64(clamping: estimate.session)
    result.peak_bytes = UInt64(clamping: estimate.peak)
    try result.write(to: memory, "memory")
  }
}

#if compiler(>=6.3)
  @c(quern_embed) @implementation
#else
  @_cdecl("quern_embed")
#endif
public func quern_embed(
  _ session: OpaquePointer?, _ images: UnsafePointer<quern_image>?, _ count: Int,
  _ embeddings: UnsafeMutablePointer<Float>?, _ embeddingCapacity: Int, _ logits: UnsafeMutablePointer<Float>?,
  _ logitCapacity: Int
) -> quern_status {
  status { () throws(Failure) in
    let handle = try SessionHandle.required(session)
    guard let images else { throw .invalid("images is NULL") }
    guard count > 0 else { throw .invalid("count is \(count)") }
    guard embeddings != nil || logits != nil else { throw .invalid("neither embeddings nor logits are requested") }
    let views = UnsafeBufferPointer(
      start: UnsafeRawPointer(images).assumingMemoryBound(to: PixelView.self), count: count)
    for index in 0..<count { try check(images[index], index, of: count) }
    try handle.use { session throws(Failure) in
      if embeddings != nil { try check(embeddingCapacity, count, session.dimension, "embeddings") }
      if logits != nil { try check(logitCapacity, count, session.classCount, "logits") }
      do throws(InferenceError) {
        try session.embed(views, to: EmbeddingSession.Outputs(embeddings: embeddings, logits: logits))
      } catch {
        throw Failure(error)
      }
    }
  }
}
