import CFiles
import Glibc

/// The reason why a file that another file refers to was not opened.
package enum ConfinementError: Error, Sendable, Hashable {
  /// The path is empty, absolute, or leads out of the folder.
  case escapes
  /// A component of the path is a symbolic link.
  case symbolicLink
  /// The file has this many names (hard links), so that it may also lie elsewhere.
  case hardLinks(Int)
  /// The file or its folder cannot be opened or mapped, or the file is a Git LFS pointer.
  case file(FileError)
}

extension ConfinementError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .escapes: "it lies outside of the model's folder"
    case .symbolicLink: "a part of its path is a symbolic link; put the file itself into the model's folder"
    case .hardLinks(let count):
      "the file has \(count) names (hard links); put a copy of it into the model's folder"
    case .file(let error): error.description
    }
  }
}

extension MappedFile {
  /// A location in its shortest spelling, as that of "./a//b" is "a/b": without components that lead nowhere. As no
  /// component may be a link, each file has one such spelling, by which it is read only once. Locations that are never
  /// opened are kept as they are.
  package static func shortest(_ location: String) -> String {
    let parts = location.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    func isDot(_ part: Substring.UTF8View) -> Bool { part.elementsEqual([UInt8(ascii: ".")]) }
    guard let first = parts.first, let last = parts.last, !first.isEmpty, !last.isEmpty, !isDot(last) else {
      return location
    }
    return parts.filter { !$0.isEmpty && !isDot($0) }.map { String(Substring($0)) }.joined(separator: "/")
  }

  /// Maps a file that an untrusted file refers to, and that must lie in `folder`: the path has no `..` and is not
  /// absolute, no component of it is a symbolic link, and it leads to a regular file with only one name.
  ///
  /// - Parameters:
  ///   - folder: the folder that the file must lie in, directly or in a folder below it.
  ///   - location: the path of the file, relative to `folder`.
  /// - Throws: `ConfinementError`.
  package static func confined(to folder: String, location: String) throws(ConfinementError) -> MappedFile {
    let (bytes, slash) = (location.utf8, UInt8(ascii: "/"))
    guard !bytes.isEmpty, bytes.first != slash, !bytes.contains(0),
      !bytes.split(separator: slash).contains(where: { $0.elementsEqual("..".utf8) })
    else { throw .escapes }
    let path = "\(folder)/\(location)"
    let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw .file(.cannotOpen(path: folder, code: errno)) }
    defer { close(directory) }
    let descriptor = quern_open_beneath(directory, location)
    guard descriptor >= 0 else {
      switch errno {
      case EXDEV: throw .escapes
      case ELOOP: throw .symbolicLink
      case ENOENT: throw .file(.notFound(path: path))
      case let code: throw .file(.refused(path, code: code))
      }
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .file(.cannotOpen(path: path, code: errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .file(.notRegular(path: path)) }
    guard status.st_nlink == 1 else { throw .hardLinks(Int(clamping: status.st_nlink)) }
    do {
      let file = try MappedFile(descriptor: descriptor, path: path)
      try file.refusePointer()
      return file
    } catch { throw .file(error) }
  }
}
