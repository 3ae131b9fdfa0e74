import Threads

/// The files that this process reads, as far as it watches them for changes (see `FileWatch`).
package enum InputFiles {
  private static let isWatching = Mutex(false)
  private static let files = FileWatch()

  /// Watches all files that are mapped from now on, for a process that reads its inputs once and ends. Each keeps a
  /// descriptor open as long as it is mapped, or to the end if its hash is taken.
  package static func watch() { isWatching.withLock { $0 = true } }

  /// Checks that no input has been changed since it was first opened. Outputs check this before they appear.
  ///
  /// - Throws: as `FileWatch.checkUnchanged`.
  package static func checkUnchanged() throws(FileError) { try files.checkUnchanged() }

  /// Takes note that inputs are read further after an output has appeared, so that the next output compares their
  /// contents again.
  package static func readOn() { files.readOn() }

  /// Takes note of an open file; `nil` unless files are watched.
  ///
  /// - Throws: as `FileWatch.add`.
  static func watched(_ descriptor: Int32, path: String) throws(FileError) -> WatchedFile? {
    guard isWatching.withLock(\.self) else { return nil }
    return try files.add(descriptor, path: path)
  }

  /// Takes note that this process replaces a file, or closes the descriptor that a path stands for.
  static func forget(_ path: String) { files.forget(path) }
}
