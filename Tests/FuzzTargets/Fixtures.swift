import Glibc

/// The repository's `fixtures`.
package enum Fixtures {
  /// The path of the folder.
  package static let path: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/") + "/fixtures"
  }()

  /// The names of the files and folders in a folder of `fixtures`, in ascending order.
  package static func names(in folder: String) -> [String] {
    guard let stream = opendir("\(path)/\(folder)") else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  /// The bytes of a file in `fixtures`.
  package static func bytes(_ name: String) -> [UInt8] {
    guard let file = fopen("\(path)/\(name)", "rb") else { fatalError("there is no \(path)/\(name)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
    return bytes
  }
}
