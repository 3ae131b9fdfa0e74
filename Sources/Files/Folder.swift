import CFiles
import Glibc

/// Lists folders, and creates them for outputs.
package enum Folder {
  /// The names of a folder's entries, in no particular order. Names that are not UTF-8 are left out.
  ///
  /// - Parameter missing: what to return where there is no such folder; `nil`: this is an error.
  /// - Throws: `FileError.notFound`, `cannotOpen`, or `cannotMap` where reading fails.
  package static func names(in path: String, ifMissing missing: [String]? = nil) throws(FileError) -> [String] {
    guard let stream = opendir(path) else {
      let code = errno
      if code == ENOENT || code == ENOTDIR {
        if let missing { return missing }
        throw .notFound(path: path)
      }
      throw .cannotOpen(path: path, code: code)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw .cannotMap(path: path, code: errno) }
        return names
      }
      let bytes = UnsafeRawPointer(entry) + (MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
      let name = bytes.assumingMemoryBound(to: CChar.self)
      if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { continue }
      if let text = String(validatingCString: name) { names.append(text) }
    }
  }

  /// Checks that a folder exists, or can be created with its missing parents, without creating anything.
  ///
  /// - Throws: `FileError.cannotCreate`, also if the path leads to something else than a folder.
  package static func checkTarget(_ path: String) throws(FileError) {
    var status = stat()
    var folder = path
    while stat(folder, &status) != 0 {
      let code = errno
      guard code == ENOENT, !path.isEmpty else { throw .cannotCreate(path: path, code: code) }
      // A link to nothing is no folder.
      guard lstat(folder, &status) != 0 else { throw .cannotCreate(path: path, code: ENOTDIR) }
      let parent = folder.pathParts.folder
      guard parent != folder else { throw .cannotCreate(path: path, code: code) }
      folder = parent
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .cannotCreate(path: path, code: ENOTDIR) }
    guard folder == path || quern_may_access(folder, W_OK | X_OK) != 0 else {
      throw .cannotCreate(path: path, code: errno)
    }
  }

  /// Creates a folder and its missing parents. Does nothing if the folder exists.
  ///
  /// - Throws: `FileError.cannotCreate`, also if the path leads to something else than a folder.
  package static func make(path: String) throws(FileError) {
    if mkdir(path, 0o777) == 0 { return }
    if errno == ENOENT, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex {
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
