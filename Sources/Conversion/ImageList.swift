import Files
import FoundationEssentials
import Glibc
import Images
import Pixels

/// The images given on a command line: single files, and all images of folders.
package struct ImageList: Sendable {
  /// The images, in the order of the paths given, and those of a folder in sorted order. If a folder is the only path,
  /// its images are named by their relative paths, and otherwise by the folder's path followed by these, so that images
  /// of several folders have different names. Single images are named by the paths given.
  package let files: [ImageFolder.File]

  /// Lists the images.
  ///
  /// - Parameters:
  ///   - paths: paths of files and folders.
  ///   - progress: is warned of images in folders that are not decoded.
  /// - Throws: `ImageError` for a folder without images, and for a path that does not exist or may not be read;
  ///   `FileError` where the system fails.
  package init(_ paths: [String], progress: any ProgressObserver) throws {
    var files: [ImageFolder.File] = []
    for path in paths {
      if try FileIdentity.reachable(path)?.kind == .folder {
        let folder = try ImageFolder(path: path, progress: progress).files
        files += paths.count == 1 ? folder : folder.map(\.namedByPath)
      } else {
        guard access(path, R_OK) == 0 else {
          throw ImageError.at(path: path, .system(operation: "open the file", number: errno))
        }
        files.append(ImageFolder.File(relativePath: path, path: path))
      }
    }
    self.files = files
  }
}

extension ImageFolder.File {
  /// The same file, named by the path that it is opened by.
  fileprivate var namedByPath: ImageFolder.File {
    ImageFolder.File(relativePath: path, path: path, label: label, className: className)
  }
}

/// Encodes lists of strings as JSON.
enum JSONArray {
  static func encode(_ values: [String]) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    return String(decoding: try encoder.encode(values), as: UTF8.self)
  }
}
