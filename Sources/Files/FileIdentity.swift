import Glibc

/// The device and the inode of a file, which identify it whichever paths, symbolic links or hard links lead to it.
package struct FileIdentity: Hashable, Sendable {
  private let device: UInt64
  private let inode: UInt64

  /// The file that `status` tells of.
  init(_ status: stat) { (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino)) }

  /// The kind of file that a path leads to.
  package enum Kind: Sendable, Hashable {
    case regular
    case folder
    /// A device, a pipe or a socket.
    case other
  }

  /// The file that a path leads to, through symbolic links; `nil` only if nothing has this name. What may not be
  /// accessed is not missing: a default in its place could be looser than the file.
  ///
  /// - Throws: `FileError.linkToNothing`; `cannotOpen` where the path may not be accessed, where links lead to each
  ///   other, and where the system fails to say what is there.
  package static func of(_ path: String) throws(FileError) -> (identity: FileIdentity, kind: Kind)? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      let code = errno
      guard lstat(path, &status) == 0 else {
        let ownCode = errno
        // No file can have a name that is too long, which an expression for a licence can be.
        guard isMissing(ownCode) || ownCode == ENAMETOOLONG else { throw .cannotOpen(path: path, code: ownCode) }
        return nil
      }
      let isLink = status.st_mode & S_IFMT == S_IFLNK
      throw isLink && isMissing(code) ? .linkToNothing(path: path) : .cannotOpen(path: path, code: code)
    }
    let kind: Kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .folder
      default: .other
      }
    return (FileIdentity(status), kind)
  }

  /// The file that a path leads to, through symbolic links; `nil` also for a link that leads nowhere, and if the file
  /// may not be accessed. For paths that are opened or created afterwards, which reports the problem.
  ///
  /// - Throws: `FileError.cannotOpen` where the system fails to say what is there.
  package static func reachable(_ path: String) throws(FileError) -> (identity: FileIdentity, kind: Kind)? {
    do throws(FileError) { return try of(path) } catch {
      guard error.kind == .missingInput else { throw error }
      return nil
    }
  }

  /// Whether a path is that of a symbolic link, which may lead nowhere; `false` if there is nothing, or if it may not
  /// be accessed.
  ///
  /// - Throws: `FileError.cannotOpen` where the system fails to say so.
  package static func isLink(_ path: String) throws(FileError) -> Bool {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      let code = errno
      let error = FileError.cannotOpen(path: path, code: code)
      guard isMissing(code) || error.kind == .missingInput else { throw error }
      return false
    }
    return status.st_mode & S_IFMT == S_IFLNK
  }

  private static func isMissing(_ code: Int32) -> Bool { code == ENOENT || code == ENOTDIR }
}

/// The file that an output will replace or create.
package enum OutputTarget: Hashable, Sendable {
  /// A regular file that exists.
  case existing(FileIdentity)
  /// A file that does not exist yet, in a folder that exists.
  case new(folder: FileIdentity, name: ExactName)

  /// `nil` for a target that is written to and not replaced (a device, a pipe, /dev/stdout whatever it leads to), and
  /// for one that cannot be created.
  ///
  /// - Throws: `FileError.cannotOpen` where the system fails to say what is there.
  package init?(path: String) throws(FileError) {
    guard OutputPlace.descriptorNumber(of: path) == nil else { return nil }
    if let (identity, kind) = try FileIdentity.reachable(path) {
      guard kind == .regular else { return nil }
      self = .existing(identity)
      return
    }
    let (folder, name) = path.pathParts
    guard !name.isEmpty, let (identity, kind) = try FileIdentity.reachable(folder), kind == .folder else { return nil }
    self = .new(folder: identity, name: ExactName(name))
  }

  /// The path without a symbolic link at its end, which is the path that `AtomicFile` creates or replaces. Folders on
  /// the way may be links.
  ///
  /// - Throws: `FileError.linkNotText`; `cannotCreate` for a loop of links.
  package static func followed(_ path: String) throws(FileError) -> String { try OutputPlace.followed(path) }

  /// The bytes of the path without any symbolic links of a file or a folder that exists, which need not be UTF-8; `nil`
  /// if there is none.
  package static func resolved(_ path: String) -> [UInt8]? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return Array(UnsafeRawBufferPointer(start: resolved, count: strlen(resolved)))
  }
}
