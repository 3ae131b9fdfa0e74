/// A text file that people write: class names, labels, pairs of images, rotations.
package enum TextFile {
  /// The lines of a file, as `lines(of:)` finds them.
  ///
  /// - Throws: `FileError` where the file cannot be read, or is not UTF-8.
  package static func lines(_ path: String) throws(FileError) -> [String] {
    let file = try MappedFile(path: path)
    guard let text = file.withBytes({ String(ofFile: $0) }) else {
      let isUTF16 = file.withBytes { $0.starts(with: [0xFF, 0xFE]) || $0.starts(with: [0xFE, 0xFF]) }
      throw .notText(path: path, isUTF16: isUTF16)
    }
    return lines(of: text)
  }

  /// The lines of a text without their ends, which are LF, CRLF or CR, as in Python's text files. The last line may
  /// have none. A byte order mark at the start is not part of the text.
  package static func lines(of text: String) -> [String] {
    // By scalars: CR and LF together are one character of Swift's, and so are a line end and a mark that combines.
    var rest = text.unicodeScalars[...]
    if rest.first == "\u{FEFF}" { rest.removeFirst() }
    var lines: [String] = []
    while !rest.isEmpty {
      let end = rest.firstIndex { $0 == "\n" || $0 == "\r" } ?? rest.endIndex
      lines.append(String(rest[..<end]))
      let isPair = rest[end...].starts(with: "\r\n".unicodeScalars)
      rest = rest[end...].dropFirst(isPair ? 2 : 1)
    }
    return lines
  }
}
