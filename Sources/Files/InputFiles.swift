import Glibc
import Threads

/// Notices that a file is changed in place while a run uses it, which would make the hash that the run states that of
/// other bytes than it used.
///
/// Every write(2) and truncate(2), and the first write to a page of a shared mapping, sets the times of the last change
/// of the file's content and of its state. The latter cannot be set back, so that a change is noticed even if the size
/// and the former are restored.
package enum InputFiles {
  private struct State {
    var isWatching = false
    /// What a path led to when it was first opened.
    var first: [String: Version] = [:]
    /// The files that are mapped now.
    var open: [Int: WatchedFile.Entry] = [:]
    var nextNumber = 0
    /// The first problem that was found with a file.
    var problem: FileError?
  }

  private static let state = Mutex(State())

  /// Watches all files that are mapped from now on, for a process that reads its inputs once and ends. Each keeps a
  /// descriptor open as long as it is mapped.
  package static func watch() { state.withLock { $0.isWatching = true } }

  /// Checks that no input has been changed since it was first opened. Outputs check this before they appear.
  ///
  /// - Throws: `FileError.changed`, or `cannotMap` where the status of a file cannot be read.
  package static func checkUnchanged() throws(FileError) {
    let problem = state.withLock { state in
      for number in state.open.keys.sorted() { if let entry = state.open[number] { check(entry, &state) } }
      return state.problem
    }
    if let problem { throw problem }
  }

  /// Takes note of an open file; `nil` unless files are watched.
  ///
  /// - Throws: `FileError.cannotOpen`; `changed` where the path led to another file, or other contents, before.
  static func watched(_ descriptor: Int32, path: String) throws(FileError) -> WatchedFile? {
    guard state.withLock(\.isWatching) else { return nil }
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw .cannotOpen(path: path, code: errno) }
    guard let version = Version(copy) else {
      let code = errno
      Glibc.close(copy)
      throw .cannotOpen(path: path, code: code)
    }
    // The numbers of descriptors are used again, for other files.
    let isName = !path.hasPrefix("/proc/") && !path.hasPrefix("/dev/")
    let number: Int? = state.withLock { state in
      if isName, let first = state.first[path], !first.hasSameContent(as: version) { return nil }
      if isName { state.first[path] = version }
      state.nextNumber += 1
      state.open[state.nextNumber] = WatchedFile.Entry(descriptor: copy, path: path, version: version)
      return state.nextNumber
    }
    guard let number else {
      Glibc.close(copy)
      throw .changed(path: path)
    }
    return WatchedFile(number: number)
  }

  /// Takes note that this process replaces a file.
  static func forget(_ path: String) { state.withLock { _ = $0.first.removeValue(forKey: path) } }

  fileprivate static func close(number: Int) {
    state.withLock { state in
      guard let entry = state.open.removeValue(forKey: number) else { return }
      check(entry, &state)
      Glibc.close(entry.descriptor)
    }
  }

  private static func check(_ entry: WatchedFile.Entry, _ state: inout State) {
    guard state.problem == nil else { return }
    guard let version = Version(entry.descriptor) else {
      state.problem = .cannotMap(path: entry.path, code: errno)
      return
    }
    if !entry.version.hasSameContent(as: version) { state.problem = .changed(path: entry.path) }
  }

  /// What fstat(2) says of a file.
  fileprivate struct Version {
    private let file: [UInt64]
    private let content: [Int]
    private let state: [Int]
    private let attributes: [UInt64]
    /// The number of names.
    private let links: Int

    init?(_ descriptor: Int32) {
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { return nil }
      file = [UInt64(status.st_dev), UInt64(status.st_ino)]
      content = [Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
      state = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
      attributes = [UInt64(status.st_mode), UInt64(status.st_uid), UInt64(status.st_gid)]
      links = Int(status.st_nlink)
    }

    /// Whether nothing was written in between. A file that another one replaces loses a name, and an output without a
    /// name gets one: both change the state and leave the content. A change of permissions could hide one of the
    /// content.
    func hasSameContent(as other: Version) -> Bool {
      let isRenamed = (other.links < links || links == 0) && attributes == other.attributes
      return file == other.file && content == other.content && (state == other.state || isRenamed)
    }
  }
}

/// An entry of `InputFiles`, which ends with the object.
final class WatchedFile: Sendable {
  fileprivate struct Entry: Sendable {
    let descriptor: Int32
    let path: String
    let version: InputFiles.Version
  }

  private let number: Int

  fileprivate init(number: Int) { self.number = number }

  deinit { InputFiles.close(number: number) }
}
