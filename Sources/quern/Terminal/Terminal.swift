import Files
import Glibc

/// Output to the terminal. Results go to stdout, everything else to stderr.
enum Terminal {
  /// Whether stderr is a terminal that can be drawn on.
  static let isInteractive = isatty(STDERR_FILENO) == 1 && Environment.value("TERM") != "dumb"

  /// Whether stdout takes colours: it is a terminal, and NO_COLOR (no-color.org) is not set.
  static let usesColor =
    isatty(STDOUT_FILENO) == 1 && Environment.value("TERM") != "dumb" && Environment.value("NO_COLOR") == nil

  /// Whether stdout and stderr both go to a terminal.
  static let showsBoth = isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1

  static func complain(_ message: String) { write("quern: \(message)\n".safeForTerminal, to: STDERR_FILENO) }
  static func note(_ message: String) { write("\(printable(message))\n", to: STDERR_FILENO) }
  static func print(_ text: String) {
    write((text.hasSuffix("\n") ? text : text + "\n").safeForTerminal, to: STDOUT_FILENO)
  }

  /// Writes as much of a text as the descriptor takes: nobody can be told where the terminal itself fails.
  static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
