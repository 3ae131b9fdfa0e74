// The names of functions are those of quern.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CQuern
import PackageFormat
import Tensors

/// Creates a model for a function that opens one. `prepare` checks the arguments, and returns what opens the package.
private func create(
  _ model: UnsafeMutablePointer<OpaquePointer?>?, _ options: UnsafePointer<quern_model_options>?,
  _ prepare: () throws(Failure) -> () throws(PackageError) -> PackageReader
) -> quern_status {
  status { () throws(Failure) in
    guard let model else { throw .invalid("model is NULL") }
    model.pointee = nil
    let handle = try ModelHandle(try quern_model_options.read(options), open: try prepare())
    model.pointee = OpaquePointer(Unmanaged.passRetained(handle).toOpaque())
  }
}

#if compiler(>=6.3)
  @c(quern_model_open) @implementation
#else
  @_cdecl("quern_model_open")
#endif
public func quern_model_open(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<quern_model_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> quern_status {
  create(model, options) { () throws(Failure) in
    guard let path else { throw .invalid("path is NULL") }
    // Replacing bytes would open another file.
    guard let text = String(validatingCString: path) else { throw .invalid("path is not UTF-8") }
    return { () throws(PackageError) in try PackageReader.open(path: text) }
  }
}

#if compiler(>=6.3)
  @c(quern_model_open_memory) @implementation
#else
  @_cdecl("quern_model_open_memory")
#endif
public func quern_model_open_memory(
  _ bytes: UnsafeRawPointer?, _ byteCount: Int, _ options: UnsafePointer<quern_model_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> quern_status {
  create(model, options) { () throws(Failure) in
    guard let bytes else { throw .invalid("bytes is NULL") }
    guard byteCount > 0 else { throw .invalid("byte_count is \(byteCount)") }
    nonisolated(unsafe) let borrowed = UnsafeRawBufferPointer(start: bytes, count: byteCount)
    return { () throws(PackageError) in
      try PackageReader(storage: TensorStorage(borrowing: borrowed) {}, path: "memory")
    }
  }
}

#if compiler(>=6.3)
  @c(quern_model_open_fd) @implementation
#else
  @_cdecl("quern_model_open_fd")
#endif
public func quern_model_open_fd(
  _ fd: CInt, _ offset: UInt64, _ byteCount: UInt64, _ options: UnsafePointer<quern_model_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> quern_status {
  create(model, options) { () throws(Failure) in
    guard fd >= 0 else { throw .invalid("fd is \(fd)") }
    guard let offset = Int(exactly: offset), let byteCount = Int(exactly: byteCount) else {
      throw .invalid("offset or byte_count is larger than any file")
    }
    return { () throws(PackageError) in
      try PackageReader.open(descriptor: fd, offset: offset, byteCount: byteCount == 0 ? nil : byteCount)
    }
  }
}

#if compiler(>=6.3)
  @c(quern_model_free) @implementation
#else
  @_cdecl("quern_model_free")
#endif
public func quern_model_free(_ model: OpaquePointer?) {
  if let model { Unmanaged<ModelHandle>.fromOpaque(UnsafeRawPointer(model)).release() }
}
