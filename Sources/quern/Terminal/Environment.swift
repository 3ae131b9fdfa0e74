import ArgumentParser
import Glibc

/// The environment of the process.
enum Environment {
  /// The bytes of the value of a variable, which need not be UTF-8; `nil` where it is not set or empty.
  static func bytes(_ name: String) -> [UInt8]? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return Array(UnsafeRawBufferPointer(start: value, count: strlen(value)))
  }

  /// The value of a variable; `nil` where it is not set or empty.
  ///
  /// - Throws: `ValidationError` where it is not UTF-8.
  static func value(_ name: String) throws -> String? {
    guard let bytes = Self.bytes(name) else { return nil }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ValidationError("the environment variable \(name) is not UTF-8")
    }
    return text
  }
}

extension Environment {
  /// The time to state in outputs, in seconds since 1970, from the environment variable SOURCE_DATE_EPOCH; `nil` where
  /// it is not set.
  ///
  /// - Throws: `ValidationError` where it is no such number.
  static func sourceDate() throws -> Int? {
    guard let text = try value("SOURCE_DATE_EPOCH") else { return nil }
    guard let time = Int(text), (0...Int(Int32.max)).contains(time) else {
      throw ValidationError("SOURCE_DATE_EPOCH '\(text)' is not a number of seconds since 1970")
    }
    return time
  }
}
