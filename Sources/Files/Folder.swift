import Glibc

/// Folders that are written to.
package enum Folder {
  /// Makes a folder, and those that it is in, unless it is there.
  ///
  /// - Throws: `FileError.cannotCreate`, also where something else has the name.
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
