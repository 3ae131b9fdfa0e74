import Glibc

/// An output file that appears whole or not at all.
///
/// Bytes go to a temporary in the target's folder; `commit()` flushes it to the disk, renames it to the target and flushes
/// the folder, so that whatever stops the process or the machine leaves the old file or the new one. Without `commit()`
/// nothing remains. A target that exists and is no regular file (a pipe, /dev/stdout, /dev/full) is written directly, and a
/// symbolic link is followed: the file it names is replaced.
package final class AtomicFile {
  /// The system calls that can fail on a full or broken disk, so that tests can make them fail.
  package struct Calls {
    package var write: (Int32, UnsafeRawPointer?, Int) -> Int = { Glibc.write($0, $1, $2) }
    package var fsync: (Int32) -> Int32 = { Glibc.fsync($0) }
    package var close: (Int32) -> Int32 = { Glibc.close($0) }
    package var rename: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Int32 = { Glibc.rename($0, $1) }
    package init() {}
  }

  /// The path as the caller gave it.
  package let path: String
  /// The bytes written so far.
  package private(set) var byteCount = 0

  /// Where the bytes written so far can be read back before `commit()`; `nil` for a target that is written directly.
  package var temporaryPath: String? { temporary?.path }

  private let calls: Calls
  private var descriptor: Int32 = -1
  /// The temporary's path, and the file to rename it to; `nil` where the target is written directly.
  private var temporary: (path: String, target: String)?
  private var slot: Int?

  /// Creates the temporary. Throws `cannotCreate` where the folder is missing or not writable, where the target is a
  /// folder, and where it is a file that may not be written.
  package convenience init(path: String) throws(FileError) { try self.init(path: path, calls: Calls()) }

  package init(path: String, calls: Calls) throws(FileError) {
    self.path = path
    self.calls = calls
    if let number = Self.openDescriptor(path) {
      descriptor = fcntl(number, F_DUPFD_CLOEXEC, 0)
      guard descriptor >= 0 else { throw .cannotCreate(path: path, code: errno) }
      return
    }
    let existing = try Self.existingTarget(path)
    if existing?.isRegular ?? true {
      try createTemporary(for: existing?.path ?? path, mode: existing?.mode)
    } else {
      descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw .cannotCreate(path: path, code: errno) }
    }
  }

  deinit { discard() }

  /// Makes SIGINT and SIGTERM remove the temporaries of files not yet committed and exit with 130 or 143. Call it once,
  /// early; a signal that is being ignored stays so.
  package static func removeTemporariesOnSignals() { TemporaryFiles.removeOnSignals() }

  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard descriptor >= 0 else { throw .cannotWrite(path: path, code: EBADF) }
    var rest = bytes
    while !rest.isEmpty {
      let written = calls.write(descriptor, rest.baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        let code = written == 0 ? ENOSPC : errno
        discard()
        throw .cannotWrite(path: path, code: code)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      byteCount += written
    }
  }

  package func write(_ bytes: [UInt8]) throws(FileError) {
    let result = bytes.withUnsafeBytes { bytes in Result { () throws(FileError) in try write(bytes) } }
    try result.get()
  }

  package func write(_ text: String) throws(FileError) { try write(Array(text.utf8)) }

  /// Makes a file that holds a text.
  package static func write(_ text: String, to path: String) throws(FileError) {
    let file = try AtomicFile(path: path)
    try file.write(text)
    try file.commit()
  }

  /// Makes the file appear under its name. Nothing can be written after it.
  package func commit() throws(FileError) {
    guard descriptor >= 0 else { throw .cannotWrite(path: path, code: EBADF) }
    guard temporary == nil || calls.fsync(descriptor) == 0 else { throw failed() }
    let closing = descriptor
    descriptor = -1
    // Interrupted or not, Linux has closed it.
    guard calls.close(closing) == 0 || errno == EINTR else { throw failed() }
    guard let (temporaryPath, target) = temporary else { return }
    guard calls.rename(temporaryPath, target) == 0 else { throw failed() }
    temporary = nil
    TemporaryFiles.forget(slot)
    try flushFolder(of: target)
  }

  /// Removes what was written. Harmless after `commit()`.
  package func discard() {
    if descriptor >= 0 { _ = Glibc.close(descriptor) }
    descriptor = -1
    if let (temporaryPath, _) = temporary { unlink(temporaryPath) }
    temporary = nil
    TemporaryFiles.forget(slot)
    slot = nil
  }

  private func failed() -> FileError {
    let code = errno
    discard()
    return .cannotWrite(path: path, code: code)
  }

  // MARK: - Creation

  /// The number of the descriptor that a path like /dev/stdout means. It may lead to a regular file that the shell has
  /// open, whose replacement would be lost.
  private static func openDescriptor(_ path: String) -> Int32? {
    switch path {
    case "/dev/stdout": return STDOUT_FILENO
    case "/dev/stderr": return STDERR_FILENO
    default:
      for folder in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(folder) {
        return Int32(path.dropFirst(folder.count))
      }
      return nil
    }
  }

  private static func existingTarget(
    _ path: String
  ) throws(FileError) -> (path: String, isRegular: Bool, mode: mode_t)? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw .cannotCreate(path: path, code: errno)
    }
    let type = status.st_mode & S_IFMT
    guard type != S_IFDIR else { throw .cannotCreate(path: path, code: EISDIR) }
    guard type == S_IFREG else { return (path, false, 0) }
    guard access(path, W_OK) == 0, let resolved = realpath(path, nil) else {
      throw .cannotCreate(path: path, code: errno)
    }
    defer { free(resolved) }
    return (String(cString: resolved), true, status.st_mode & 0o777)
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private func createTemporary(for target: String, mode: mode_t?) throws(FileError) {
    guard let last = target.utf8.last, last != UInt8(ascii: "/") else { throw .cannotCreate(path: path, code: ENOENT) }
    for _ in 0..<16 {
      let name = String(UInt64.random(in: .min ... .max), radix: 36)
      let temporaryPath = "\(Self.folder(of: target))/.\(name).tmp"
      slot = TemporaryFiles.register(temporaryPath)  // before it exists, so that no signal falls in between
      descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 {
        temporary = (temporaryPath, target)
        if let mode { fchmod(descriptor, mode) }
        return
      }
      let code = errno
      TemporaryFiles.forget(slot)
      slot = nil
      if code != EEXIST { throw .cannotCreate(path: path, code: code) }
    }
    throw .cannotCreate(path: path, code: EEXIST)
  }

  /// Makes the renaming itself durable. File systems that cannot say so with EINVAL.
  private func flushFolder(of target: String) throws(FileError) {
    let folder = open(Self.folder(of: target), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }  // a folder that may be written to but not listed
    defer { _ = Glibc.close(folder) }
    guard calls.fsync(folder) == 0 || errno == EINVAL else { throw .cannotWrite(path: path, code: errno) }
  }
}
