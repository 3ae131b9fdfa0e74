import Fidelity
import Files
import PrintableText

/// Groups of images that should find each other: JSON with a list of lists of names, or an object of lists, or an
/// object with one of these as `groups`. Every image of a group is a query, itself left out; images of no group are
/// only searched.
package enum GroupsSet {
  /// - Throws: `FileError` where the file cannot be read; `RetrievalError.file` where it has another form, or names an
  ///   image that is not in the list, or one twice.
  package static func task(_ list: ListedImages, groundTruth path: String) throws -> RetrievalTask {
    let reader = GroundTruthReader(path: path, list: list)
    var root = try GroundTruthValue.read(path: path)
    if let inner = try reader.optionalMember(root, "groups", of: "the ground truth") { root = inner }
    let lists: [(String, GroundTruthValue)]
    switch root {
    case .list(let values): lists = values.enumerated().map { ("group \($0)", $1) }
    case .dictionary(let members):
      lists = members.sorted { precedesInUTF8($0.key, $1.key) }.map { ("group \(printable($0.key))", $0.value) }
    default: throw reader.refuse("expected a list or an object of groups, each a list of image names")
    }
    var groups: [String: Int] = [:]
    for (index, (title, value)) in lists.enumerated() {
      for image in try reader.images(value, title) where groups.updateValue(index, forKey: image.name) != nil {
        throw reader.refuse("\(printable(image.name)) is in a group already; \(title) has it again")
      }
    }
    return RetrievalTask(set: "groups", images: list.images, groups: list.images.map { groups[$0.name] })
  }
}

/// Pairs of a query and an image that it should find: a CSV file whose first line names the columns `query` and
/// `positive`, and whose other lines have a pair each. A third column `kind` may say `positive`, `hard` or `ignored`; a
/// file with `hard` pairs is graded. A query is left out of its own ranking.
package enum PairsSet {
  /// - Throws: `FileError` where the file cannot be read; `RetrievalError.file` for a line that is something else,
  ///   names an image that is not in the list, or contradicts another.
  package static func task(_ list: ListedImages, groundTruth path: String) throws -> RetrievalTask {
    let reader = GroundTruthReader(path: path, list: list)
    let lines = try TextFile.lines(path)
    let header = lines.first.flatMap(fields) ?? []
    guard header == ["query", "positive"] || header == ["query", "positive", "kind"] else {
      throw reader.refuse("its first line must be 'query,positive' or 'query,positive,kind'")
    }
    var found: [Int: (easy: [Int], hard: [Int], ignored: [Int])] = [:]
    var kinds: [[Int]: String] = [:]
    var isGraded = false
    for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty {
      let title = "line \(index + 1)"
      guard let fields = fields(line), fields.count == header.count else {
        throw reader.refuse("\(title) does not have \(header.count) fields")
      }
      let query = try reader.place(of: fields[0], title)
      let image = try reader.place(of: fields[1], title)
      let kind = fields.count == 3 ? fields[2] : "positive"
      if let other = kinds.updateValue(kind, forKey: [query, image]), other != kind {
        throw reader.refuse("\(title): the pair is \(other) on an earlier line, and \(kind) here")
      }
      // In place: copies of the arrays for each line would take time with the square of a query's lines.
      switch kind {
      case "positive": found[query, default: ([], [], [query])].easy.append(image)
      case "hard":
        found[query, default: ([], [], [query])].hard.append(image)
        isGraded = true
      case "ignored": found[query, default: ([], [], [query])].ignored.append(image)
      default: throw reader.refuse("\(title): the kind must be positive, hard or ignored")
      }
    }
    let queries = found.sorted { $0.key < $1.key }.map { query, sets in
      RetrievalQuery(
        name: list.images[query].name, source: .gallery(query), easy: sets.easy, hard: sets.hard, ignored: sets.ignored)
    }
    return RetrievalTask(set: "pairs", images: list.images, queries: queries, isGraded: isGraded)
  }

  /// The fields of a line of CSV (RFC 4180): quoted where they contain commas or, doubled, quotes; `nil` for a line
  /// whose quotes do not end.
  static func fields(_ line: String) -> [String]? {
    // By scalars: a mark that combines with the separator before it would make one character with it.
    var (fields, field, isQuoted) = ([String](), String.UnicodeScalarView(), false)
    var rest = line.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      switch scalar {
      case "\"" where isQuoted && rest.first == "\"": field.append(rest.removeFirst())
      case "\"": isQuoted.toggle()
      case "," where !isQuoted:
        fields.append(String(field))
        field = String.UnicodeScalarView()
      default: field.append(scalar)
      }
    }
    return isQuoted ? nil : fields + [String(field)]
  }
}
