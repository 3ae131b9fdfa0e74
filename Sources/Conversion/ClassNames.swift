import Files
import PrintableText

/// The names of a classifier's classes as a text file lists them: one a line, in the classifier's order.
package struct ClassNameList: Sendable {
  /// The path of the file.
  package let path: String
  package let names: [String]

  /// - Throws: `FileError` where the file cannot be read, or is not UTF-8.
  package init(path: String) throws(FileError) {
    (self.path, names) = (path, try TextFile.lines(path))
  }
}

/// The names of a classifier's classes, and what states them.
package struct ClassNames: Sendable {
  /// The number of classes; 0 without a classifier.
  let count: Int
  /// In the classifier's order; empty where nothing states them.
  package let names: [String]
  /// What states the names, for messages, such as "the package".
  let source: String
  /// Whether the user lists the names in a file.
  let areListed: Bool
  /// What casts doubt on the names, as a sentence.
  package let warning: String?

  /// The names that a model stores.
  ///
  /// - Parameters:
  ///   - count: the number of classes of the classifier; 0 without one.
  ///   - stored: names in the classifier's order. They are ignored unless there is one for each class.
  ///   - source: where they are stored, for messages, such as "the package".
  init(_ count: Int, stored: [String] = [], of source: String = "the model") {
    (self.count, self.source, areListed, warning) = (count, source, false, nil)
    names = stored.count == count ? stored : []
  }

  /// The names that the user lists, or else those that a model stores.
  ///
  /// - Throws: `ConversionError.wrongKind` where the list is not one of all classes.
  package init(
    _ count: Int, listed: ClassNameList?, stored: [String], of source: String
  ) throws(ConversionError) {
    let known = ClassNames(count, stored: stored, of: source)
    guard let listed else {
      self = known
      return
    }
    guard count > 0 else { throw .wrongKind("\(listed.path) names classes, but the network has no classifier") }
    guard listed.names.count == count else {
      throw .wrongKind(
        "\(listed.path) has \(listed.names.count) names (one a line) for a classifier of \(count) classes")
    }
    (self.count, names, self.source, areListed) = (count, listed.names, listed.path, true)
    // Other words for the same classes are what a list is for. The same words in other places are a mistake.
    let places = known.places(of: listed.names)
    let moved = listed.names.enumerated().lazy.compactMap { index, name in
      places[index].flatMap { $0 == index ? nil : (index: index, name: name, place: $0) }
    }.first
    warning = moved.map {
      "\(listed.path) calls class \($0.index) \($0.name), which is class \($0.place) of \(source); check that the "
        + "names are in the classifier's order"
    }
  }

  /// The class that each of some names stands for; `nil` where none or several have it. A name such as
  /// "n01440764 tench" can also be told by its WordNet ID, which is how folders of ImageNet are named.
  ///
  /// Names in another Unicode normal form are the same, as file systems change it, unless two of the names or two
  /// classes differ in nothing else.
  package func places(of folders: [String]) -> [Int?] {
    if NameForms.lookalike(in: folders) != nil || NameForms.lookalike(in: names) != nil {
      let exact = places(by: ExactName.init)
      return folders.map { exact[ExactName($0)] }
    }
    let found = places { $0 }
    return folders.map { found[$0] }
  }

  private func places<Key: Hashable>(by makeKey: (String) -> Key) -> [Key: Int] {
    var keys = names
    let words = names.map { String($0.prefix { $0 != " " && $0 != "\t" && $0 != "," }) }
    if words.allSatisfy(\.isWordNetID) { keys += words }
    var places: [Key: Int?] = [:]
    for (index, name) in keys.enumerated() {
      let (key, place) = (makeKey(name), index % names.count)
      places.updateValue(places[key, default: place] == place ? place : nil, forKey: key)
    }
    return places.compactMapValues(\.self)
  }
}
