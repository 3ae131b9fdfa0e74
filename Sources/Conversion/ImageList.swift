import Files
import Foundation
import Images

/// Images named on a command line: single files, and folders with all that is in them.
package struct ImageList: Sendable {
  package let files: [ImageFolder.File]

  /// - Throws: `ImageError` for a folder without images or a path that is not there.
  package init(_ paths: [String]) throws(ImageError) {
    var files: [ImageFolder.File] = []
    for path in paths {
      var isFolder: ObjCBool = false
      if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
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

/// A text file with one class name a line.
package enum LabelFile {
  /// - Throws: `FileError`, or `ConversionError.wrongKind` where the file is not text.
  package static func read(_ path: String) throws -> [String] {
    let file = try MappedFile(path: path)
    guard let text = file.withBytes({ String(bytes: $0, encoding: .utf8) }) else {
      throw ConversionError.wrongKind("\(path): not a text file in UTF-8")
    }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
      $0.hasSuffix("\r") ? String($0.dropLast()) : String($0)
    }
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}

/// A list of strings as JSON.
enum JSONArray {
  static func encode(_ values: [String]) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    return String(decoding: try encoder.encode(values), as: UTF8.self)
  }
}
