import CFiles
import Glibc

/// What an output finds at its path: the file that it replaces, or no file, and the folder around it.
struct OutputSlot: Equatable {
  /// What tells one file, and one content of it, from another. The time of the last write does not: programs set it
  /// and change nothing else.
  private struct State: Equatable {
    let identity: FileIdentity
    let byteCount: Int

    init(_ status: stat) { (identity, byteCount) = (FileIdentity(status), Int(status.st_size)) }
  }

  /// Keeps the inode of a file or folder. Otherwise a new file could get that of one that was removed, and some file
  /// systems, such as FAT, give a file another one whenever it is not in use.
  private final class Pin: Sendable {
    private let descriptor: Int32

    init(_ path: String) { descriptor = quern_open_path(path) }

    deinit { if descriptor >= 0 { close(descriptor) } }
  }

  /// The path without a link at its end.
  let path: String
  /// `nil` where there is no file.
  private let file: State?
  private let folder: FileIdentity
  private let pins: [Pin]

  /// Whether there is no file.
  var isNew: Bool { file == nil }

  /// - Throws: `FileError.outputChanged` for what is neither a regular file nor missing; `linkNotText`; `cannotCreate`
  ///   where the system does not say what is there.
  init(_ given: String) throws(FileError) {
    path = try OutputPlace.followed(given)
    pins = [path, path.pathParts.folder].map(Pin.init)
    var status = stat()
    if lstat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFREG else { throw .outputChanged(path: given) }
      file = State(status)
    } else {
      guard errno == ENOENT else { throw .cannotCreate(path: given, code: errno) }
      file = nil
    }
    guard stat(path.pathParts.folder, &status) == 0 else {
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
