import CFiles
import Glibc

/// An output file that appears whole or not at all.
///
/// Bytes go to a temporary file in the target's folder. `commit()` flushes it to the disk, renames it to the target and
/// flushes the folder, so that either the old file or the new one remains, whenever the process or the machine stops.
/// Without `commit()` nothing remains: the temporary file has no name before (`O_TMPFILE`), where the file system and
/// the system allow that, so that it vanishes with a process that is killed. Elsewhere its name is one of
/// `TemporaryName`, and it is locked while it is written, so that the next process that writes to the folder can remove
/// what is left of one that was killed.
///
/// A target that exists and is not a regular file (a pipe that is read, /dev/stdout, /dev/full) is written directly. If
/// the target is a symbolic link, the file that it leads to is replaced; a link that leads nowhere is refused.
///
/// What a target leads to is decided by `checkTarget`, or where the file is created without that. If the path leads to
/// something else by the time of `commit()`, nothing is replaced, as nobody has looked at what would be lost.
package final class AtomicFile {
  /// The system calls that can fail on a full or broken disk, so that tests can make them fail.
  package struct Calls {
    /// write(2)
    package var write: (Int32, UnsafeRawPointer?, Int) -> Int = { Glibc.write($0, $1, $2) }
    /// fsync(2)
    package var fsync: (Int32) -> Int32 = { Glibc.fsync($0) }
    /// close(2)
    package var close: (Int32) -> Int32 = { Glibc.close($0) }
    /// rename(2)
    package var rename: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Int32 = { Glibc.rename($0, $1) }
    /// renameat2(2) with RENAME_NOREPLACE, or what does the same
    package var renameNew: (UnsafePointer<CChar>, UnsafePointer<CChar>) -> Int32 = { quern_rename_new($0, $1) }
    /// open(2) with O_TMPFILE, in a folder; negative where the file system or the system does not allow that.
    package var openUnnamed: (UnsafePointer<CChar>) -> Int32 = { quern_open_unnamed($0) }
    /// The calls of the C library.
    package init() {}
  }

  /// The path as the caller gave it.
  package let path: String
  /// The bytes written so far.
  package private(set) var byteCount = 0

  /// The path of the temporary file, from which the bytes written so far can be read before `commit()`; `nil` for a
  /// target that is written directly.
  package var temporaryPath: String? {
    guard slot != nil, descriptor >= 0 else { return nil }
    return name ?? Self.path(ofDescriptor: descriptor)
  }

  private let calls: Calls
  private var descriptor: Int32 = -1
  /// What the temporary file is renamed to; `nil` if the target is written directly.
  private var slot: OutputSlot?
  /// The path of the temporary file; `nil` while it has no name.
  private var name: String?
  /// The folder of a temporary file that has a name from the start, by which it is removed wherever the folder is then.
  private var folder: Int32 = -1
  /// The temporary file's position in the table of `TemporaryFiles`.
  private var registration: Int?

  /// Creates the temporary file, or opens a target that is written directly.
  ///
  /// - Throws: `FileError.cannotCreate` if the folder is missing or not writable, and if the target is a folder or may
  ///   not be written to; `danglingLink`; `linkNotText`; `cannotReplace`; `outputChanged` since `checkTarget`.
  package convenience init(path: String) throws(FileError) { try self.init(path: path, calls: Calls()) }

  /// Creates the temporary file, or opens a target that is written directly.
  ///
  /// - Parameters:
  ///   - path: the target.
  ///   - calls: the system calls to use, which tests replace.
  /// - Throws: `FileError.cannotCreate` if the folder is missing or not writable, and if the target is a folder or may
  ///   not be written to; `danglingLink`; `linkNotText`; `cannotReplace`; `outputChanged` since `checkTarget`.
  package init(path: String, calls: Calls) throws(FileError) {
    self.path = path
    self.calls = calls
    switch try DecidedOutputs.place(of: path) {
    case .descriptor(let number):
      descriptor = fcntl(number, F_DUPFD_CLOEXEC, 0)
      guard descriptor >= 0 else { throw .cannotCreate(path: path, code: errno) }
    case .device(let identity):
      // O_NONBLOCK, so as not to wait for the reader of a pipe that nobody reads.
      descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)
      guard descriptor >= 0 else { throw .cannotCreate(path: path, code: errno) }
      var status = stat()
      guard fstat(descriptor, &status) == 0 else { throw .cannotCreate(path: path, code: errno) }
      guard FileIdentity(status) == identity, status.st_mode & S_IFMT != S_IFREG else {
        throw .outputChanged(path: path)
      }
      let flags = fcntl(descriptor, F_GETFL)
      _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
    case .file(let slot, let mode):
      try slot.checkUnchanged(path)
      try createTemporary(for: slot, mode: mode)
    }
  }

  deinit { discard() }

  /// Whether a name has the form of those of temporary files.
  package static func isTemporary(_ name: String) -> Bool { TemporaryName.matches(name) }

  /// Makes signals that end a command, such as SIGINT, remove the temporary files that are not committed yet and exit
  /// with the status that shells give for the signal, such as 130 for SIGINT. Call it once, early. A signal that is
  /// ignored at that time stays ignored.
  package static func removeTemporariesOnSignals() { TemporaryFiles.removeOnSignals() }

  /// Appends bytes. If that fails, the temporary file is removed, and nothing more can be written.
  ///
  /// - Throws: `FileError.cannotWrite`, also after `commit()` or `discard()`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard descriptor >= 0 else { throw .cannotWrite(path: path, code: EBADF) }
    var remaining = bytes
    while !remaining.isEmpty {
      let written = calls.write(descriptor, remaining.baseAddress, remaining.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else {
        let code = written == 0 ? ENOSPC : errno
        discard()
        throw .cannotWrite(path: path, code: code)
      }
      remaining = UnsafeRawBufferPointer(rebasing: remaining[written...])
      byteCount += written
    }
  }

  /// Appends bytes. If that fails, the temporary file is removed, and nothing more can be written.
  ///
  /// - Throws: `FileError.cannotWrite`, also after `commit()` or `discard()`.
  package func write(_ bytes: [UInt8]) throws(FileError) {
    let result = bytes.withUnsafeBytes { bytes in Result { () throws(FileError) in try write(bytes) } }
    try result.get()
  }

  /// Appends a text in UTF-8. If that fails, the temporary file is removed, and nothing more can be written.
  ///
  /// - Throws: `FileError.cannotWrite`, also after `commit()` or `discard()`.
  package func write(_ text: String) throws(FileError) { try write(Array(text.utf8)) }

  /// Writes a file that contains a text in UTF-8, whole or not at all.
  ///
  /// - Throws: the errors of `init` and `commit`; `FileError.cannotWrite`.
  package static func write(_ text: String, to path: String) throws(FileError) {
    let file = try AtomicFile(path: path)
    try file.write(text)
    try file.commit()
  }

  /// Makes the file appear under its name. Nothing can be written afterwards.
  ///
  /// - Throws: `FileError.changed` if an input was changed meanwhile (see `InputFiles`); `outputChanged` if the target
  ///   was; `cannotWrite` if flushing, closing or renaming fails, or if the file was committed or discarded before.
  ///   What is at the target then remains, unless only the flushing of the folder failed.
  package func commit() throws(FileError) {
    guard descriptor >= 0 else { throw .cannotWrite(path: path, code: EBADF) }
    do { try InputFiles.checkUnchanged() } catch {
      discard()
      throw error
    }
    if let slot {
      guard calls.fsync(descriptor) == 0 else { throw failed() }
      try checkUnchanged(slot)
      if name == nil { try giveName(in: slot) }
    }
    // The lock is held until the file has its final name. Closing the first descriptor reports what is wrong.
    let lock = slot == nil ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    defer { if lock >= 0 { _ = Glibc.close(lock) } }
    let closing = descriptor
    descriptor = -1
    // Another file can get the number.
    InputFiles.forget(Self.path(ofDescriptor: closing))
    // Linux has closed the descriptor even if the call was interrupted.
    guard calls.close(closing) == 0 || errno == EINTR else { throw failed() }
    guard let slot, let name else { return }
    try checkUnchanged(slot)
    guard (slot.isNew ? calls.renameNew : calls.rename)(name, slot.path) == 0 else {
      guard slot.isNew, errno == EEXIST else { throw failed() }
      discard()
      throw .outputChanged(path: path)
    }
    forgetTemporary()
    DecidedOutputs.forget(path)
    InputFiles.forget(path)
    try flushFolder(of: slot)
  }

  /// Removes the temporary file and closes the target. Does nothing after `commit()`.
  package func discard() {
    if descriptor >= 0 {
      InputFiles.forget(Self.path(ofDescriptor: descriptor))
      _ = Glibc.close(descriptor)
    }
    descriptor = -1
    if let name {
      if folder >= 0 { unlinkat(folder, name.pathParts.name, 0) } else { unlink(name) }
    }
    forgetTemporary()
  }

  private func forgetTemporary() {
    (name, slot) = (nil, nil)
    if folder >= 0 { _ = Glibc.close(folder) }
    folder = -1
    TemporaryFiles.forget(registration)
    registration = nil
  }

  /// - Throws: as `OutputSlot.checkUnchanged`, after the temporary file was removed.
  private func checkUnchanged(_ slot: OutputSlot) throws(FileError) {
    do throws(FileError) { try slot.checkUnchanged(path) } catch {
      discard()
      throw error
    }
  }

  private func failed() -> FileError {
    let code = errno
    discard()
    return .cannotWrite(path: path, code: code)
  }

  // MARK: - Creation

  /// Checks a target without creating anything, and decides which file is replaced, if any. The next file that is
  /// committed to the path in this process keeps to that.
  ///
  /// - Throws: `FileError.cannotCreate` if it is a folder, or lies in a folder that is missing or not writable, or may
  ///   not be written to; `danglingLink`; `linkNotText`; `cannotReplace`.
  package static func checkTarget(_ path: String) throws(FileError) { try DecidedOutputs.decide(path) }

  /// The path by which a file without a name is read.
  private static func path(ofDescriptor number: Int32) -> String { "/proc/self/fd/\(number)" }

  private func createTemporary(for slot: OutputSlot, mode: mode_t?) throws(FileError) {
    let path = slot.path.pathParts.folder
    TemporaryName.removeAbandoned(in: path)
    descriptor = calls.openUnnamed(path)
    if descriptor < 0 {
      try withNewName(in: path) { name in
        descriptor = quern_create_locked(name)
        return descriptor >= 0
      }
      // Negative for a folder that may be written to but not listed.
      folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    self.slot = slot
    if let mode { fchmod(descriptor, mode) }
  }

  /// Gives the temporary file a name, from which it can be renamed: a link cannot replace a file.
  private func giveName(in slot: OutputSlot) throws(FileError) {
    do {
      try withNewName(in: slot.path.pathParts.folder) { quern_name_file(descriptor, $0) == 0 }
    } catch {
      guard case .cannotCreate(_, let code) = error else { throw error }
      discard()
      throw .cannotWrite(path: path, code: code)
    }
  }

  /// Makes a file by a random name, for which `make` returns whether it succeeded, and registers the name.
  private func withNewName(in folder: String, _ make: (String) -> Bool) throws(FileError) {
    for _ in 0..<16 {
      let name = "\(folder)/\(TemporaryName.random())"
      registration = TemporaryFiles.register(name)  // before it exists, so that no signal arrives in between
      if make(name) {
        self.name = name
        return
      }
      let code = errno
      TemporaryFiles.forget(registration)
      registration = nil
      if code != EEXIST { throw .cannotCreate(path: path, code: code) }
    }
    throw .cannotCreate(path: path, code: EEXIST)
  }

  /// Makes the renaming itself durable. File systems that cannot flush folders answer with EINVAL.
  private func flushFolder(of slot: OutputSlot) throws(FileError) {
    let folder = open(slot.path.pathParts.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }  // a folder that may be written to but not listed
    defer { _ = Glibc.close(folder) }
    guard calls.fsync(folder) == 0 || errno == EINVAL else { throw .cannotWrite(path: path, code: errno) }
  }
}
