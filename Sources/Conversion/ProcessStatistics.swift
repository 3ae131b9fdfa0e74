import Foundation

/// Figures of the running process.
package enum ProcessStatistics {
  /// The greatest resident memory so far, in bytes; `nil` where the system does not tell.
  ///
  /// Not getrusage's ru_maxrss, which also counts the process that started this one, from before exec.
  package static var peakResidentBytes: Int? { statusBytes("VmHWM:") }

  /// The resident memory now, in bytes; `nil` where the system does not tell.
  package static var residentBytes: Int? { statusBytes("VmRSS:") }

  private static func statusBytes(_ key: String) -> Int? {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix(key) })
    else { return nil }
    return line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first.map { $0 * 1024 }
  }
}
