import Foundation

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
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix(key) })
    else { return nil }
    return line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first.map { $0 * 1024 }
  }
}
