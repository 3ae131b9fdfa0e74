import Glibc

/// Creates folders for outputs.
package enum Folder {
  /// Creates a folder and its missing parents. Does nothing if the folder exists.
  ///
  /// - Throws: `FileError.cannotCreate`, also if the path leads to something else than a folder.
  package static func make(path: String) throws(FileError) {
    if mkdir(path, 0o777) == 0 { return }
    if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
      try make(path: String(path[..<slash]))
      if mkdir(path, 0o777) == 0 { return }
    }
    let code = errno
    var status = stat()
    guard code == EEXIST else { throw .cannotCreate(path: path, code: code) }
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw .cannotCreate(path: path, code: ENOTDIR)
    }
  }
}
