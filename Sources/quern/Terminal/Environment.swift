import ArgumentParser
import Glibc

/// The environment of the process.
enum Environment {
  /// The value of a variable; `nil` where it is not set or empty.
  static func value(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }
}

extension Environment {
  /// The time to state in outputs, in seconds since 1970, from the environment variable SOURCE_DATE_EPOCH; `nil` where
  /// it is not set.
  ///
  /// - Throws: `ValidationError` where it is no such number.
  static func sourceDate() throws -> Int? {
    guard let text = value("SOURCE_DATE_EPOCH") else { return nil }
    guard let time = Int(text), (0...Int(Int32.max)).contains(time) else {
      throw ValidationError("SOURCE_DATE_EPOCH '\(text)' is not a number of seconds since 1970")
    }
    return time
  }
}
