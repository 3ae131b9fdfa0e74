// The names of functions are those of quern.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CQuern
import CThreads
import PackageFormat

private let versionText = CText("\(QUERN_VERSION_MAJOR).\(QUERN_VERSION_MINOR).\(QUERN_VERSION_PATCH)")

/// A version of the package format as one number.
func formatVersion(_ version: (major: Int, minor: Int)) -> UInt32 {
  UInt32(clamping: version.major * 10000 + version.minor * 100)
}

#if compiler(>=6.3)
  @c(quern_runtime_version) @implementation
#else
  @_cdecl("quern_runtime_version")
#endif
public func quern_runtime_version() -> UInt32 {
  UInt32(QUERN_VERSION_MAJOR * 10000 + QUERN_VERSION_MINOR * 100 + QUERN_VERSION_PATCH)
}

#if compiler(>=6.3)
  @c(quern_runtime_version_string) @implementation
#else
  @_cdecl("quern_runtime_version_string")
#endif
public func quern_runtime_version_string() -> UnsafePointer<CChar>? {
  versionText.pointer
}

#if compiler(>=6.3)
  @c(quern_format_version) @implementation
#else
  @_cdecl("quern_format_version")
#endif
public func quern_format_version() -> UInt32 {
  formatVersion(PackageReader.formatVersion)
}

#if compiler(>=6.3)
  @c(quern_status_name) @implementation
#else
  @_cdecl("quern_status_name")
#endif
public func quern_status_name(_ status: quern_status) -> UnsafePointer<CChar>? {
  let names: [StaticString] = [
    "QUERN_OK", "QUERN_ERROR_INVALID_ARGUMENT", "QUERN_ERROR_NOT_FOUND", "QUERN_ERROR_IO", "QUERN_ERROR_BAD_DATA",
    "QUERN_ERROR_UNSUPPORTED", "QUERN_ERROR_OUT_OF_MEMORY", "QUERN_ERROR_IMAGE_SIZE", "QUERN_ERROR_BUFFER_TOO_SMALL",
    "QUERN_ERROR_NOT_AVAILABLE", "QUERN_ERROR_BUSY", "QUERN_ERROR_INTERNAL",
    "QUERN_ERROR_SELFTEST_FAILED", "QUERN_ERROR_NO_SELFTEST",
  ]
  return (status.rawValue < names.count ? names[Int(status.rawValue)] : "unknown status").cString
}

#if compiler(>=6.3)
  @c(quern_last_error) @implementation
#else
  @_cdecl("quern_last_error")
#endif
public func quern_last_error() -> UnsafePointer<CChar>? {
  UnsafePointer(quern_thread_message())
}

#if compiler(>=6.3)
  @c(quern_tier_available) @implementation
#else
  @_cdecl("quern_tier_available")
#endif
public func quern_tier_available(_ tier: quern_tier) -> CInt {
  Tier(tier.rawValue).isAvailable ? 1 : 0
}

#if compiler(>=6.3)
  @c(quern_tier_name) @implementation
#else
  @_cdecl("quern_tier_name")
#endif
public func quern_tier_name(_ tier: quern_tier) -> UnsafePointer<CChar>? {
  Tier(tier.rawValue).name
}
