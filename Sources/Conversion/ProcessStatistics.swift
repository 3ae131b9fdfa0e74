import Glibc

/// Memory figures of the running process.
package enum ProcessStatistics {
  /// The peak resident memory so far, in bytes; `nil` where the system does not report it.
  ///
  /// This is not `ru_maxrss` of `getrusage`, which includes the memory of the process that started this one, from
  /// before `exec`.
  package static var peakResidentBytes: Int? { statusBytes("VmHWM:") }

  /// The current resident memory in bytes; `nil` where the system does not report it.
  package static var residentBytes: Int? { statusBytes("VmRSS:") }

  private static func statusBytes(_ key: String) -> Int? {
    guard let status = fopen("/proc/self/status", "re") else { return nil }
    defer { fclose(status) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), status) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix(key) else { continue }
      return text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first.map { $0 * 1024 }
    }
    return nil
  }
}
