import Files
import FoundationEssentials
import Glibc
import Images
import Pixels

/// The images given on a command line: single files, and all images of folders.
package struct ImageList: Sendable {
  /// The images, in the order of the paths given, and those of a folder in sorted order.
  package let files: [ImageFolder.File]

  /// Lists the images.
  ///
  /// - Parameter paths: paths of files and folders.
  /// - Throws: `ImageError` for a folder without images, and for a path that does not exist or may not be read.
  package init(_ paths: [String]) throws(ImageError) {
    var files: [ImageFolder.File] = []
    for path in paths {
      if FileIdentity.of(path)?.kind == .folder {
        files += try ImageFolder(path: path).files
      } else {
        guard access(path, R_OK) == 0 else {
          throw .at(path: path, .system(operation: "open the file", number: errno))
        }
        files.append(ImageFolder.File(relativePath: path, path: path))
      }
    }
    self.files = files
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
