import CFiles
import Glibc
import Suggestions
import Tensors

/// A file that is mapped read-only, for as long as this value or any tensor that views its `storage` lives.
///
/// Bytes are read when they are first touched. If another process rewrites the file in place meanwhile, readers see the
/// changes, which `InputFiles` notices; if it truncates the file, this process gets SIGBUS, which
/// `explainBusErrors(status:)` turns into a message. Preventing that would mean copying every file. Writers that
/// replace files by renaming, as `AtomicFile` does, never cause it.
package struct MappedFile: Sendable {
  /// The path that the file was opened with.
  package let path: String
  /// By which changes are noticed; `nil` for a part of a file, and unless files are watched.
  private let watched: WatchedFile?
  /// All bytes of the file.
  package let storage: TensorStorage

  /// The size of the file in bytes; at least 1.
  package var byteCount: Int { storage.bytes.count }

  /// Calls `body` with all bytes, which are valid until it returns.
  ///
  /// - Throws: What `body` throws.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(storage) { try body(storage.bytes) }
  }

  /// Maps the file at `path`.
  ///
  /// - Throws: `FileError.notFound`, `isDirectory`, `notRegular`, `empty`, `lfsPointer`, `cannotOpen` or `cannotMap`.
  package init(path: String) throws(FileError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)  // so as not to wait for the writer of a pipe
    guard descriptor >= 0 else {
      let code = errno
      throw code == ENOENT || code == ENOTDIR ? .notFound(path: path) : .refused(path, code: code)
    }
    defer { close(descriptor) }
    self = try MappedFile(descriptor: descriptor, path: path)
    try refusePointer()
  }

  /// - Throws: `FileError.lfsPointer` for a file that Git LFS has not fetched.
  func refusePointer() throws(FileError) {
    guard !withBytes({ $0.starts(with: InputAdvice.pointerStart) }) else { throw .lfsPointer(path: path) }
  }

  /// Maps an open file, or a part of it. The file may be closed afterwards.
  ///
  /// - Parameters:
  ///   - descriptor: of a regular file that is open for reading; its position is neither used nor moved.
  ///   - path: the path to report, which is not opened.
  ///   - offset: the byte of the file that the part starts at; not negative.
  ///   - byteCount: the size of the part; `nil` for all bytes up to the end of the file.
  /// - Throws: `FileError.isDirectory`, `notRegular`, `empty`, `cannotOpen`, `cannotMap`, or `outOfRange` where the
  ///   file does not have these bytes.
  package init(
    descriptor: Int32, path: String, offset: Int = 0, byteCount: Int? = nil
  ) throws(FileError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .cannotOpen(path: path, code: errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw .isDirectory(path: path)
    default: throw .notRegular(path: path)
    }
    let size = Int(status.st_size)
    guard size > 0 else { throw .empty(path: path) }
    let count = byteCount ?? max(size - offset, 0)
    guard offset >= 0, count > 0, offset <= size, count <= size - offset else {
      throw .outOfRange(path: path, offset: offset, byteCount: count, fileSize: size)
    }
    let watchedFile = try InputFiles.watched(descriptor, path: path)
    // Mappings start at pages.
    let margin = offset % Self.pageSize
    let length = margin + count
    guard let base = mmap(nil, length, PROT_READ, MAP_PRIVATE, descriptor, off_t(offset - margin)), base != MAP_FAILED
    else { throw .cannotMap(path: path, code: errno) }
    nonisolated(unsafe) let mapping = base
    self.path = path
    watched = count == size ? watchedFile : nil
    let slot = quern_remember_mapping(mapping, length, path)
    storage = TensorStorage(
      borrowing: UnsafeRawBufferPointer(start: base + margin, count: count),
      discard: { range in
        let start = (margin + range.lowerBound) / Self.pageSize * Self.pageSize
        madvise(mapping + start, margin + range.upperBound - start, MADV_DONTNEED)
      },
      release: {
        quern_forget_mapping(slot)
        munmap(mapping, length)
        // Watched as long as it is mapped.
        withExtendedLifetime(watchedFile) {}
      })
  }

  /// Makes the process end with a message that names the file, and with a status, where a mapped file became shorter.
  /// For the tool: a library leaves signals to its host.
  package static func explainBusErrors(status: Int32) {
    TemporaryFiles.prepare()
    quern_explain_bus_errors(status) { TemporaryFiles.removeAll() }
  }

  /// A file whose bytes are in memory, for readers of files.
  ///
  /// - Parameters:
  ///   - storage: all bytes of the file.
  ///   - path: the path to report, which is not opened. Files that this one refers to are searched for in its folder.
  /// - Throws: `FileError.empty`.
  package init(storage: TensorStorage, path: String) throws(FileError) {
    guard !storage.bytes.isEmpty else { throw .empty(path: path) }
    (self.path, self.storage, watched) = (path, storage, nil)
  }

  private static let pageSize = sysconf(Int32(_SC_PAGESIZE))

  /// Gives the memory of a range of bytes back to the system, for bytes that were read and will not be needed soon.
  /// They stay valid: touching them reads the file (in practice the page cache) once more.
  package func releasePages(_ range: Range<Int>) { storage.releasePages(range) }

  /// The SHA-256 of the whole file; see `sha256(of:)`.
  package func sha256() -> SHA256.Digest { Self.sha256(of: [self]) }

  /// The SHA-256 of the bytes of whole files, one after the other. Pages are released once they are read, so that
  /// memory does not grow with the files.
  ///
  /// Where files are watched, the hash is computed once, and an output appears only if the files still have it. It
  /// should be taken before the bytes are used.
  package static func sha256(of files: [MappedFile]) -> SHA256.Digest {
    func compute() -> SHA256.Digest {
      var hash = SHA256()
      for file in files { file.forEachChunk(in: 0..<file.byteCount) { hash.update($0) } }
      return hash.finalize()
    }
    let watched = files.compactMap(\.watched)
    guard let watch = watched.first?.watch, watched.count == files.count else { return compute() }
    return watch.digest(of: watched, by: compute)
  }

  /// Calls `body` with successive chunks of a range, and releases the pages of each chunk afterwards.
  ///
  /// - Parameter range: is clamped to the file.
  package func forEachChunk(in range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void) {
    let range = range.clamped(to: 0..<byteCount)
    let chunkSize = 1 << 22
    for start in stride(from: range.lowerBound, to: range.upperBound, by: chunkSize) {
      let chunk = start..<min(start + chunkSize, range.upperBound)
      body(UnsafeRawBufferPointer(rebasing: storage.bytes[chunk]))
      releasePages(chunk)
    }
  }
}
