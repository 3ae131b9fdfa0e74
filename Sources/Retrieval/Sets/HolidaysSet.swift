import Fidelity
import Files
import PrintableText

/// INRIA Holidays (Jégou, Douze, Schmid: "Hamming embedding and weak geometric consistency for large scale image
/// search", ECCV 2008): an image is named by a number, and images whose numbers have the same hundreds form a group.
/// The first of a group is the query, itself left out.
package enum HolidaysSet {
  /// The name of the file with rotations that is read where it lies next to the images.
  package static let rotationsName = "holidays-rotate.yaml"

  /// - Parameter rotations: by how many quarters of a turn images are turned clockwise, by the names of their files;
  ///   `nil`: images are as they are in their files.
  /// - Throws: `RetrievalError.layout` where an image is not named by a number of its own.
  package static func task(_ list: ListedImages, rotations: [String: Int]?) throws(RetrievalError) -> RetrievalTask {
    let numbers = try list.numbers(list.images, set: "holidays")
    var firsts: [Int: Int] = [:]
    for number in numbers { firsts[number / 100] = min(firsts[number / 100] ?? number, number) }
    var (images, turned) = (list.images, 0)
    if let rotations {
      for index in images.indices {
        let file = images[index].name.split(separator: "/").last.map(String.init) ?? ""
        images[index].quarterTurns = rotations[file] ?? 0
        if images[index].quarterTurns > 0 { turned += 1 }
      }
    }
    let note =
      rotations == nil
      ? "images are not turned upright; published figures mostly are of images turned by \(rotationsName) (see "
        + "--rotations)"
      : "\(turned) of \(images.count) images are turned upright"
    return RetrievalTask(
      set: "holidays", images: images, groups: numbers.map { $0 / 100 },
      notes: images.contains { $0.path != nil } ? [note] : [],
      isQuery: { numbers[$0] == firsts[numbers[$0] / 100] })
  }

  /// Reads a file of rotations: a YAML mapping with the names of files as keys, with or without quotes, and clockwise
  /// degrees as values, one a line, in braces or not.
  ///
  /// - Returns: quarters of a turn clockwise, in 1 ... 3, by file name.
  /// - Throws: `FileError` where the file cannot be read; `RetrievalError.file` for a line that is something else, a
  ///   name that occurs twice, and for degrees that are not a multiple of 90.
  package static func rotations(path: String) throws -> [String: Int] {
    var rotations: [String: Int] = [:]
    for (index, line) in try TextFile.lines(path).enumerated() {
      func refuse(_ problem: String) -> RetrievalError { .file(path: path, problem: "line \(index + 1): \(problem)") }
      // By bytes: a step backwards over flags goes to the first of them.
      var text = trimmed(line.utf8.prefix { $0 != UInt8(ascii: "#") })
      if text.first == UInt8(ascii: "{") { text = trimmed(text.dropFirst()) }
      if text.last == UInt8(ascii: "}") { text = trimmed(text.dropLast()) }
      if text.last == UInt8(ascii: ",") { text = trimmed(text.dropLast()) }
      if text.isEmpty || text.elementsEqual("---".utf8) { continue }
      guard let colon = text.lastIndex(of: UInt8(ascii: ":")),
        let degrees = Int(Substring(trimmed(text[text.index(after: colon)...])))
      else { throw refuse("expected 'NAME.jpg: DEGREES'") }
      guard degrees % 90 == 0, abs(degrees) <= 360 else {
        throw refuse("images are turned by multiples of 90 degrees, not by \(degrees)")
      }
      let quotes = [UInt8(ascii: "\""), UInt8(ascii: "'")]
      let name = String(decoding: trimmed(text[..<colon]).filter { !quotes.contains($0) }, as: UTF8.self)
      guard rotations.updateValue((degrees / 90 % 4 + 4) % 4, forKey: name) == nil else {
        throw refuse("\(printable(name)) occurs twice")
      }
    }
    return rotations.filter { $0.value != 0 }
  }

  private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
    func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    let start = text.drop(while: isBlank)
    return start.lastIndex { !isBlank($0) }.map { start[...$0] } ?? start
  }
}
