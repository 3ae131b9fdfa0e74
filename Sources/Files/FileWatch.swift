import Glibc
import Threads

/// Notices that a file is changed while it is used, which would make the hash that is stated that of other bytes than
/// those that were used.
///
/// Times tell of write(2) and truncate(2): the time of the last change of a file's state cannot be set back. They do
/// not tell of all stores through a shared mapping, which set no time on tmpfs, and elsewhere none for pages that are
/// still to be written to the disk; nor of a write before the file loses a name, as it does where another file replaces
/// it. Files whose hash was taken are therefore read again. Of others, small files and the ends of larger ones are
/// compared (see `Version`).
///
/// Of such stores and writes, two kinds are not noticed: those that are taken back before the file is read again, and
/// those to the middle of a larger file whose hash is not stated.
package final class FileWatch: Sendable {
  private struct State {
    /// What a path led to when it was first opened.
    var first: [ExactName: Version] = [:]
    /// The files that are in use.
    var open: [Int: OpenFile] = [:]
    var nextNumber = 0
    /// The hashes that were taken, by the numbers of the files.
    var digests: [[Int]: SHA256.Digest] = [:]
    /// The files whose hash was taken. They stay open, as the hash is stated later.
    var hashed: [HashedFiles] = []
    /// The first problem that was found with a file.
    var problem: FileError?
  }

  private let state = Mutex(State())

  /// No files are watched yet.
  package init() {}

  /// Watches an open file for as long as the object that is returned lives, with a descriptor of its own.
  ///
  /// - Throws: `FileError.cannotOpen`, or `cannotMap` where the file cannot be read; `changed` where the path led to
  ///   another file, or other contents, before.
  package func add(_ descriptor: Int32, path: String) throws(FileError) -> WatchedFile {
    let file = try OpenFile(descriptor, path: path)
    let number: Int? = state.withLock { state in
      let name = ExactName(path)
      if let first = state.first[name], !first.hasSameContent(as: file.version) { return nil }
      state.first[name] = file.version
      state.nextNumber += 1
      state.open[state.nextNumber] = file
      return state.nextNumber
    }
    guard let number else { throw .changed(path: path) }
    return WatchedFile(watch: self, number: number)
  }

  /// Takes note that this process replaces a file, or closes the descriptor that a path such as /proc/self/fd/3 stands
  /// for, so that the path may lead to another file.
  package func forget(_ path: String) { state.withLock { _ = $0.first.removeValue(forKey: ExactName(path)) } }

  /// The SHA-256 of the bytes of files, one after the other, with which their contents are compared from now on. It
  /// should be taken before the bytes are used.
  ///
  /// - Parameter hash: computes it, unless it was taken before.
  package func digest(of files: [WatchedFile], by hash: () -> SHA256.Digest) -> SHA256.Digest {
    let numbers = files.map(\.number)
    if let digest = state.withLock({ $0.digests[numbers] }) { return digest }
    let digest = hash()
    state.withLock { state in
      state.digests[numbers] = digest
      let hashed = HashedFiles(files: numbers.compactMap { state.open[$0] }, digest: digest)
      if let index = state.hashed.firstIndex(where: { $0.areSame(as: hashed) }) {
        state.hashed[index].checked = nil
      } else {
        state.hashed.append(hashed)
      }
    }
    return digest
  }

  /// Checks that no file has been changed since it was first opened. Files whose hash was taken are read again, once,
  /// unless their times change afterwards or `readOn` is called.
  ///
  /// - Throws: `FileError.changed`, or `cannotMap` where a file cannot be read.
  package func checkUnchanged() throws(FileError) {
    let (open, hashed, problem) = state.withLock { state in
      (state.open.sorted { $0.key < $1.key }.map(\.value), state.hashed, state.problem)
    }
    if let problem { throw problem }
    do throws(FileError) {
      for file in open { _ = try file.check() }
      for (index, files) in hashed.enumerated() {
        let checked = try files.check()
        state.withLock { $0.hashed[index].checked = checked }
      }
    } catch {
      note(error)
      throw error
    }
  }

  /// Takes note that the output that was just checked is not the last: files whose hash was taken are used further.
  package func readOn() {
    state.withLock { state in
      for index in state.hashed.indices { state.hashed[index].checked = nil }
    }
  }

  fileprivate func close(_ number: Int) {
    guard let file = state.withLock({ $0.open.removeValue(forKey: number) }) else { return }
    do throws(FileError) { _ = try file.check() } catch { note(error) }
  }

  private func note(_ problem: FileError) {
    state.withLock { state in
      if state.problem == nil { state.problem = problem }
    }
  }
}

/// A file in a `FileWatch`, which is checked a last time when this object ends.
package final class WatchedFile: Sendable {
  let watch: FileWatch
  fileprivate let number: Int

  fileprivate init(watch: FileWatch, number: Int) { (self.watch, self.number) = (watch, number) }

  deinit { watch.close(number) }
}

/// Files that were hashed together.
private struct HashedFiles: Sendable {
  let files: [OpenFile]
  let digest: SHA256.Digest
  /// The versions at which the hash was last found to be the same; `nil` where that says nothing of later reads.
  var checked: [Version]?

  /// Whether these are the same contents of the same files.
  func areSame(as other: HashedFiles) -> Bool {
    digest == other.digest && files.map(\.version) == other.files.map(\.version)
  }

  /// Reads the files again, unless that was done and nothing tells of a change since.
  ///
  /// - Returns: the versions, for `checked`.
  /// - Throws: `FileError.changed`, with the first path where it cannot be told which file was; `cannotMap`.
  func check() throws(FileError) -> [Version] {
    var versions: [Version] = []
    for file in files { versions.append(try file.check()) }
    guard versions != checked else { return versions }
    var hash = SHA256()
    for file in files { try file.append(0..<file.version.byteCount, to: &hash) }
    guard hash.finalize() == digest else { throw .changed(path: files.first?.path ?? "") }
    return versions
  }
}

/// A descriptor of a file, and what the file was when it was opened.
private final class OpenFile: Sendable {
  let path: String
  let version: Version
  private let descriptor: Int32

  /// - Throws: `FileError.cannotOpen` where there are too many descriptors; the errors of `Version.init`.
  init(_ descriptor: Int32, path: String) throws(FileError) {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw .cannotOpen(path: path, code: errno) }
    do throws(FileError) { version = try Version(copy, path: path) } catch {
      Glibc.close(copy)
      throw error
    }
    (self.descriptor, self.path) = (copy, path)
  }

  deinit { Glibc.close(descriptor) }

  /// The version now.
  ///
  /// - Throws: `FileError.changed` where something was written to the file since it was opened; `cannotMap`.
  func check() throws(FileError) -> Version {
    let now = try Version(descriptor, path: path)
    guard version.hasSameContent(as: now) else { throw .changed(path: path) }
    return now
  }

  func append(_ range: Range<Int>, to hash: inout SHA256) throws(FileError) {
    try hash.append(range, of: descriptor, path: path)
  }
}

/// What fstat(2) says of a file, and its ends.
private struct Version: Hashable, Sendable {
  /// The size up to which a file is compared whole. Files that people write are smaller.
  private static let wholeByteCount = 1 << 20
  /// The size of each end of a larger file that is compared. Formats have their directories there, and packages a hash
  /// of everything.
  private static let endByteCount = 1 << 16

  let byteCount: Int
  private let file: [UInt64]
  private let written: [Int]
  private let state: [Int]
  private let attributes: [UInt64]
  /// The number of names.
  private let links: Int
  private let ends: SHA256.Digest

  /// - Throws: `FileError.cannotMap` where the file cannot be read, `changed` where it becomes shorter meanwhile.
  init(_ descriptor: Int32, path: String) throws(FileError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .cannotMap(path: path, code: errno) }
    byteCount = Int(status.st_size)
    file = [UInt64(status.st_dev), UInt64(status.st_ino)]
    written = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    state = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
    attributes = [UInt64(status.st_mode), UInt64(status.st_uid), UInt64(status.st_gid)]
    links = Int(status.st_nlink)
    var hash = SHA256()
    if byteCount <= Self.wholeByteCount {
      try hash.append(0..<byteCount, of: descriptor, path: path)
    } else {
      try hash.append(0..<Self.endByteCount, of: descriptor, path: path)
      try hash.append(byteCount - Self.endByteCount..<byteCount, of: descriptor, path: path)
    }
    ends = hash.finalize()
  }

  /// Whether nothing seems to have been written in between. A file that another one replaces loses a name, and an
  /// output without a name gets one: both change the state and leave the content. A change of permissions could hide
  /// one of the content.
  func hasSameContent(as other: Version) -> Bool {
    let isRenamed = (other.links < links || links == 0) && attributes == other.attributes
    return file == other.file && byteCount == other.byteCount && written == other.written && ends == other.ends
      && (state == other.state || isRenamed)
  }
}

extension SHA256 {
  /// Appends a range of an open file, whose position is not moved. A file that became shorter is an error here, while
  /// touching its mapping would end the process.
  ///
  /// - Throws: `FileError.changed` where the file ends earlier, `cannotMap` where it cannot be read.
  fileprivate mutating func append(_ range: Range<Int>, of descriptor: Int32, path: String) throws(FileError) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(min(range.count, 1 << 18), 1), alignment: 64)
    defer { buffer.deallocate() }
    var offset = range.lowerBound
    while offset < range.upperBound {
      let count = pread(descriptor, buffer.baseAddress, min(buffer.count, range.upperBound - offset), off_t(offset))
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .cannotMap(path: path, code: errno) }
      guard count > 0 else { throw .changed(path: path) }
      update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += count
    }
  }
}
