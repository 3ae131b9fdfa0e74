import CFiles
import Glibc

/// How an output reaches its path. What would keep it from there is found here, before any work is done and without
/// creating anything, as far as the system says so.
enum OutputPlace {
  /// A descriptor that is open, which the path stands for, such as /dev/stdout. It may be that of a regular file, which
  /// is then written where it stands: replacing it would lose the output, because the shell still has the old one open.
  case descriptor(Int32)
  /// A device or a pipe, which is written directly.
  case device(FileIdentity)
  /// A regular file, which the output replaces, with its mode; `nil` for a new file.
  case file(OutputSlot, mode: mode_t?)

  /// - Throws: `FileError.cannotCreate` if the path is that of a folder, a socket or a descriptor that is not open for
  ///   writing, or lies in a folder that is missing or not writable, or may not be written to; `danglingLink`;
  ///   `linkNotText`; `cannotReplace`.
  init(_ path: String) throws(FileError) {
    if let number = Self.descriptorNumber(of: path) {
      let flags = fcntl(number, F_GETFL)
      guard flags >= 0, flags & O_ACCMODE != O_RDONLY else { throw .cannotCreate(path: path, code: EBADF) }
      self = .descriptor(number)
      return
    }
    var status = stat()
    guard stat(path, &status) == 0 else {
      let code = errno
      guard code == ENOENT else { throw .cannotCreate(path: path, code: code) }
      guard lstat(path, &status) != 0 else { throw .danglingLink(path: path) }
      guard let last = path.utf8.last, last != UInt8(ascii: "/") else { throw .cannotCreate(path: path, code: ENOENT) }
      try Self.checkFolder(of: path, for: path)
      self = .file(try OutputSlot(path), mode: nil)
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file(try Self.replaceable(path, status), mode: status.st_mode & 0o777)
    case S_IFDIR: throw .cannotCreate(path: path, code: EISDIR)
    // No path opens one.
    case S_IFSOCK: throw .cannotCreate(path: path, code: ENXIO)
    default:
      guard quern_may_access(path, W_OK) != 0 else { throw .cannotCreate(path: path, code: errno) }
      self = .device(FileIdentity(status))
    }
  }

  // MARK: - Files

  /// The slot of a file that exists.
  ///
  /// - Throws: `FileError.cannotCreate` or `cannotReplace` where another file cannot be renamed to it.
  private static func replaceable(_ path: String, _ status: stat) throws(FileError) -> OutputSlot {
    let slot = try OutputSlot(path)
    // A link of /proc leads to a file that has lost its name.
    guard !slot.isNew else { throw .cannotCreate(path: path, code: ENOENT) }
    let target = slot.path
    if quern_is_fixed(target) != 0 { throw .cannotReplace(path: path, .fixedFile) }
    guard quern_may_access(target, W_OK) != 0 else { throw .cannotCreate(path: path, code: errno) }
    if quern_is_mount_point(target) != 0 { throw .cannotReplace(path: path, .mountPoint) }
    try checkFolder(of: target, for: path)
    if isProtected(target, status) { throw .cannotReplace(path: path, .fileOfAnotherUser) }
    return slot
  }

  /// Checks that files can be created and renamed in the folder of a path.
  ///
  /// - Parameter path: the path to report.
  private static func checkFolder(of target: String, for path: String) throws(FileError) {
    let folder = target.pathParts.folder
    if quern_is_fixed(folder) != 0 { throw .cannotReplace(path: path, .fixedFolder) }
    guard quern_may_access(folder, W_OK | X_OK) != 0 else { throw .cannotCreate(path: path, code: errno) }
  }

  /// Whether a file belongs to another user, and the sticky bit of its folder keeps this process from replacing it.
  private static func isProtected(_ target: String, _ file: stat) -> Bool {
    var folder = stat()
    guard stat(target.pathParts.folder, &folder) == 0, folder.st_mode & S_ISVTX != 0 else { return false }
    return ![file.st_uid, folder.st_uid].contains(geteuid()) && quern_owns_all_files() == 0
  }

  // MARK: - Links

  /// As many links as the system follows.
  private static let linkLimit = 40

  /// The path without a link at its end. It stays relative to the working folder, whose own path may not be UTF-8.
  ///
  /// - Throws: `FileError.linkNotText` for a link to a name that no string holds; `cannotCreate` for a loop of links.
  static func followed(_ given: String) throws(FileError) -> String {
    var path = given
    for _ in 0..<linkLimit {
      guard let bytes = linked(path) else { return path }
      guard let target = String(validating: bytes, as: UTF8.self) else { throw .linkNotText(path: given) }
      path = Self.target(target, ofLink: path)
    }
    throw .cannotCreate(path: given, code: ELOOP)
  }

  /// The path that the content of a link stands for.
  private static func target(_ content: String, ofLink path: String) -> String {
    content.utf8.first == UInt8(ascii: "/") ? content : "\(path.pathParts.folder)/\(content)"
  }

  /// What a symbolic link contains; `nil` for what is none.
  private static func linked(_ path: String) -> [UInt8]? {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &bytes, bytes.count)
    return count > 0 ? bytes[..<count].map { UInt8(bitPattern: $0) } : nil
  }

  // MARK: - Descriptors

  /// The number of the descriptor that a path stands for: /dev/stdout, /dev/fd/3, or a link to one of them; `nil` for
  /// other paths. What the file is called that the descriptor is open for does not count.
  static func descriptorNumber(of path: String) -> Int32? {
    // Where there is no /proc, these paths lead nowhere.
    switch path {
    case "/dev/stdout": return STDOUT_FILENO
    case "/dev/stderr": return STDERR_FILENO
    default:
      for folder in ["/dev/fd/", "/proc/self/fd/"] where path.hasPrefix(folder) {
        if let number = Self.number(path.dropFirst(folder.count)) { return number }
      }
    }
    let own = ["/proc/self/fd", "/proc/thread-self/fd"].compactMap(OutputTarget.resolved)
    var path = path
    for _ in 0..<linkLimit {
      guard let resolved = OutputTarget.resolved(path.pathParts.folder) else { return nil }
      if own.contains(resolved) { return Self.number(path.split(separator: "/").last ?? "") }
      guard let content = linked(path).flatMap({ String(validating: $0, as: UTF8.self) }) else { return nil }
      path = target(content, ofLink: path)
    }
    return nil
  }

  /// The number that the system lists a descriptor by.
  private static func number(_ name: Substring) -> Int32? {
    guard let number = Int32(name), number >= 0, "\(number)" == name else { return nil }
    return number
  }
}
