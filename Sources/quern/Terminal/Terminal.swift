import Foundation

/// Output to the terminal. Results go to stdout, everything else to stderr.
enum Terminal {
  /// Whether stderr is a terminal that can be drawn on.
  static let isInteractive = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"

  /// Whether stdout takes colours: it is a terminal, and NO_COLOR (no-color.org) is not set.
  static let usesColor =
    isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty

  /// Whether stdout and stderr both go to a terminal.
  static let showsBoth = isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1

  static func complain(_ message: String) { write("quern: \(message)\n", to: FileHandle.standardError) }
  static func note(_ message: String) { write("\(message)\n", to: FileHandle.standardError) }
  static func print(_ text: String) { write(text.hasSuffix("\n") ? text : text + "\n", to: FileHandle.standardOutput) }

  static func write(_ text: String, to handle: FileHandle) { try? handle.write(contentsOf: Data(text.utf8)) }
}
