import Glibc

/// What an output finds at its path: the file that it replaces, or no file, and the folder around it.
struct OutputSlot: Equatable {
  /// What tells one file, and one content of it, from another. A new file can have the inode of one that was removed.
  private struct State: Equatable {
    let identity: FileIdentity
    let byteCount: Int
    /// The time of the last write.
    let written: [Int]

    init(_ status: stat) {
      identity = FileIdentity(status)
      byteCount = Int(status.st_size)
      written = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }
  }

  /// The path without a link at its end.
  let path: String
  /// `nil` where there is no file.
  private let file: State?
  private let folder: FileIdentity

  /// Whether there is no file.
  var isNew: Bool { file == nil }

  /// - Throws: `FileError.outputChanged` for what is neither a regular file nor missing; `linkNotText`; `cannotCreate`
  ///   where the system does not say what is there.
  init(_ given: String) throws(FileError) {
    path = try OutputPlace.followed(given)
    var status = stat()
    if lstat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFREG else { throw .outputChanged(path: given) }
      file = State(status)
    } else {
      guard errno == ENOENT else { throw .cannotCreate(path: given, code: errno) }
      file = nil
    }
    guard stat(OutputPlace.parts(of: path).folder, &status) == 0 else {
      throw .cannotCreate(path: given, code: errno)
    }
    folder = FileIdentity(status)
  }

  /// Checks that a path still leads to the same place.
  ///
  /// - Throws: `FileError.outputChanged` where it does not; `linkNotText`; `cannotCreate` where the system does not say
  ///   what is there.
  func checkUnchanged(_ given: String) throws(FileError) {
    let now: OutputSlot
    do throws(FileError) { now = try OutputSlot(given) } catch {
      // A folder on the way is gone, or has become something else.
      if case .cannotCreate(_, let code) = error, [ENOENT, ENOTDIR, ELOOP].contains(code) {
        throw .outputChanged(path: given)
      }
      throw error
    }
    guard now == self else { throw .outputChanged(path: given) }
  }

  static func == (a: OutputSlot, b: OutputSlot) -> Bool {
    ExactName(a.path) == ExactName(b.path) && a.file == b.file && a.folder == b.folder
  }
}
