import Glibc
import Suggestions

/// The kind of a failure, which decides the exit status. The raw values are those of sysexits(3).
package enum FailureKind: Int32, Sendable, Hashable {
  /// The input exists and is not valid.
  case badData = 65
  /// The input does not exist, or may not be opened.
  case missingInput = 66
  /// Memory is lacking.
  case noMemory = 71
  /// The output cannot be created.
  case cannotCreate = 73
  /// Reading or writing failed after the file was opened.
  case inputOutput = 74
}

/// A file that cannot be opened, mapped, created or written. `code` is the `errno` of the call that failed.
package enum FileError: Error, Sendable, Hashable {
  /// No file has this path.
  case notFound(path: String)
  /// The path leads to a directory, and a file was expected.
  case isDirectory(path: String)
  /// The path leads to neither a file nor a directory, but to a device, a pipe or a socket.
  case notRegular(path: String)
  /// The file has no bytes.
  case empty(path: String)
  /// A pointer that Git LFS left in place of a file that it has not fetched.
  case lfsPointer(path: String)
  /// The file was to be text, and is not UTF-8.
  case notText(path: String, isUTF16: Bool)
  /// The file does not have the bytes of the part that was to be read.
  case outOfRange(path: String, offset: Int, byteCount: Int, fileSize: Int)
  case cannotOpen(path: String, code: Int32)
  case cannotMap(path: String, code: Int32)
  case cannotCreate(path: String, code: Int32)
  case cannotWrite(path: String, code: Int32)
  /// An output cannot get its name by renaming, which is how files are replaced.
  case cannotReplace(path: String, Obstacle)
  /// An output is a symbolic link to a file that does not exist.
  case danglingLink(path: String)
  /// An output is a symbolic link to a name that is not UTF-8.
  case linkNotText(path: String)
  /// The file or the folder at the path of an output has changed since the work began.
  case outputChanged(path: String)
  /// An input is a symbolic link to a file that does not exist.
  case linkToNothing(path: String)
  /// An output is a pipe or a device, and what is written to it must be read back.
  case cannotReadBack(path: String)
  /// The file was changed while it was in use, so that its hash would not be that of the bytes that were used.
  case changed(path: String)

  /// What keeps a file from being renamed to the path of an output.
  package enum Obstacle: Sendable, Hashable {
    case mountPoint
    /// A file of another user in a folder with the sticky bit.
    case fileOfAnotherUser
    /// The file is immutable, or may only be appended to.
    case fixedFile
    /// The folder is immutable, or may only be added to.
    case fixedFolder
  }

  /// The kind of failure, for the exit status.
  package var kind: FailureKind {
    switch self {
    case .notFound, .isDirectory, .notRegular, .linkToNothing: .missingInput
    // Not there for this user, or a failure of the system.
    case .cannotOpen(_, let code): [EACCES, EPERM, ELOOP, ENAMETOOLONG].contains(code) ? .missingInput : .inputOutput
    case .empty, .lfsPointer, .notText, .outOfRange, .changed: .badData
    case .cannotMap, .cannotWrite: .inputOutput
    case .cannotCreate, .cannotReplace, .danglingLink, .linkNotText, .outputChanged, .cannotReadBack: .cannotCreate
    }
  }
}

extension FileError {
  /// The path of the file.
  package var path: String {
    switch self {
    case .notFound(let path), .isDirectory(let path), .notRegular(let path), .empty(let path), .lfsPointer(let path),
      .notText(let path, _), .outOfRange(let path, _, _, _), .cannotOpen(let path, _), .cannotMap(let path, _),
      .cannotCreate(let path, _), .cannotReplace(let path, _), .cannotWrite(let path, _), .danglingLink(let path),
      .linkNotText(let path), .outputChanged(let path), .linkToNothing(let path), .cannotReadBack(let path),
      .changed(let path):
      path
    }
  }
}

extension FileError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notFound(let path): "\(path): \(InputAdvice.url(path) ?? "no such file")"
    case .isDirectory(let path): "\(path): is a directory, and a file was expected"
    case .notRegular(let path): "\(path): is a device or a pipe, and a file was expected"
    case .empty(let path): "\(path): the file is empty"
    case .lfsPointer(let path): "\(path): \(InputAdvice.pointer)"
    case .notText(let path, let isUTF16):
      "\(path): is not text in \(String.fileTextRule)" + (isUTF16 ? " but in UTF-16; save it as UTF-8" : "")
    case .outOfRange(let path, let offset, let byteCount, let fileSize):
      "\(path): has \(fileSize) bytes, and not \(byteCount) from byte \(offset)"
    case .cannotOpen(let path, let code): "\(path): cannot be opened: \(errorText(code))"
    case .cannotMap(let path, let code): "\(path): cannot be read: \(errorText(code))"
    case .cannotCreate(let path, let code): "\(path): cannot be created: \(errorText(code))"
    case .cannotWrite(let path, let code): "\(path): cannot be written: \(errorText(code))"
    case .cannotReplace(let path, let obstacle): "\(path): cannot be replaced: \(obstacle)"
    case .danglingLink(let path):
      "\(path): cannot be created: it is a symbolic link to a file that does not exist; remove the link, or name the "
        + "file itself"
    case .linkNotText(let path):
      "\(path): cannot be created: it is a symbolic link to a name that is not UTF-8; remove the link, or rename the file "
        + "that it leads to"
    case .outputChanged(let path):
      "\(path): was changed during the run: another process wrote the file, or moved, linked or removed it or its folder. "
        + "What is there was left as it is, and the output was discarded; run the command again, or name another file"
    case .linkToNothing(let path):
      "\(path): is a symbolic link to a file that does not exist; remove the link, or put the file there"
    case .cannotReadBack(let path):
      "\(path): cannot be created: it is a pipe or a device, from which the package cannot be read back to be verified; "
        + "name a file"
    case .changed(let path):
      "\(path): was changed while it was in use, so that what was computed belongs to no file. Discard what "
        + "this run wrote, if anything, and run the command again when nothing writes to the file"
    }
  }
}

extension FileError.Obstacle: CustomStringConvertible {
  package var description: String {
    switch self {
    case .mountPoint:
      "it is a mount point, as where a container shares a single file with its host; mount the folder of the file, or "
        + "name another file"
    case .fileOfAnotherUser:
      "it belongs to another user, and the sticky bit of its folder protects it; name another file"
    case .fixedFile: "it is immutable, or may only be appended to (see lsattr); name another file"
    case .fixedFolder:
      "its folder is immutable, or may only be added to (see lsattr -d), so that no file in it can be renamed; name a "
        + "file in another folder"
    }
  }
}

extension FileError {
  /// The error of a file that the system does not open. No path opens a socket, or a device without a driver, which are
  /// no files that could be read.
  static func refused(_ path: String, code: Int32) -> FileError {
    (try? FileIdentity.of(path))?.kind == .other ? .notRegular(path: path) : .cannotOpen(path: path, code: code)
  }
}

/// The C library's message for an `errno`.
private func errorText(_ code: Int32) -> String {
  // strerror_r has two incompatible forms; the buffer of strerror is shared only for unknown codes.
  String(cString: strerror(code))
}
