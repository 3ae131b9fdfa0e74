import Glibc
import PrintableText
import Threads

/// Output to the terminal. Results go to stdout, everything else to stderr.
enum Terminal {
  private static let isDumb = Environment.bytes("TERM") == Array("dumb".utf8)

  /// Whether stderr is a terminal that can be drawn on.
  static let isInteractive = isatty(STDERR_FILENO) == 1 && !isDumb

  /// The width of the terminal that stderr is; 80 where it has none.
  static var columns: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  /// Whether stdout takes colours: it is a terminal, and NO_COLOR (no-color.org) is not set.
  static let usesColor = isatty(STDOUT_FILENO) == 1 && !isDumb && Environment.bytes("NO_COLOR") == nil

  /// Whether stdout and stderr both go to a terminal.
  static let showsBoth = isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1

  static func complain(_ message: String) { explain("quern: \(message)") }
  static func note(_ message: String) { explain(printable(message)) }

  /// Writes lines to stderr that no program takes for progress.
  static func explain(_ text: String) { write("\(text)\n".safeForTerminal.withoutObjects, to: STDERR_FILENO) }

  /// The error number of the first write to stdout that failed.
  private static let outputFailure = Mutex<Int32?>(nil)

  private static let printed = Mutex(false)

  /// Whether a result was printed.
  static var hasPrinted: Bool { printed.withLock(\.self) }

  /// Prints a result. A failure is remembered and becomes the exit status, once outputs to files are written.
  static func print(_ text: String) {
    printed.withLock { $0 = true }
    let text = (text.hasSuffix("\n") ? text : text + "\n").safeForTerminal
    guard let failure = write(text, to: STDOUT_FILENO) else { return }
    outputFailure.withLock { $0 = $0 ?? failure }
  }

  /// Closes stdout, which can report that earlier writes were lost.
  ///
  /// - Returns: what went wrong with anything that was printed; `nil` where all of it was written.
  static func closeOutput() -> String? {
    var failure = outputFailure.withLock(\.self)
    // A stdout that was closed from the start is open in the wrong direction, which matters only to what is printed.
    if failure == nil, close(STDOUT_FILENO) != 0, errno != EINTR, errno != EBADF { failure = errno }
    return failure.map { String(cString: strerror($0)) }
  }

  /// Writes as much of a text as the descriptor takes.
  ///
  /// - Returns: the error number of a write that failed, which for stderr nobody can be told.
  @discardableResult
  static func write(_ text: String, to descriptor: Int32) -> Int32? {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno == EAGAIN {
        // The terminal or pipe belongs to a process that made it non-blocking.
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&ready, 1, -1)
        continue
      }
      guard count > 0 else { return count == 0 ? ENOSPC : errno }
      bytes = bytes.dropFirst(count)
    }
    return nil
  }
}
