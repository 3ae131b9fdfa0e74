import Foundation
import Testing

extension Scratch {
  /// A folder with some of the bundled photographs, by the order of their names, and files that are no images.
  func photographs(_ name: String, _ range: Range<Int>, broken: Int = 0) throws -> String {
    let files = FileManager.default
    let names = try files.contentsOfDirectory(atPath: Tool.photographs).filter { $0.hasSuffix(".jpg") }.sorted()
    try files.createDirectory(at: url(name), withIntermediateDirectories: true)
    for file in names[range] {
      try files.copyItem(atPath: "\(Tool.photographs)/\(file)", toPath: path("\(name)/\(file)"))
    }
    for index in 0..<broken { _ = try write(Data("no image \(index)".utf8), to: "\(name)/broken-\(index).jpg") }
    return path(name)
  }
}

extension Tool.Outcome {
  /// The output as a JSON object.
  func object() throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any], "\(errors)")
  }
}

extension [String: Any] {
  /// A member that is an object.
  func members(_ key: String) throws -> [String: Any] { try #require(self[key] as? [String: Any], "\(key)") }
}
