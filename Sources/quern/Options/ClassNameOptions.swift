import ArgumentParser
import Conversion

/// What the classes of a classifier are called.
struct ClassNameOptions: ParsableArguments {
  @Option(
    name: .customLong("class-names"),
    help: ArgumentHelp(
      "Text file with the name of each class on a line, in the order of the classifier. Class folders are matched with "
        + "them, by WordNet ID for lines such as 'n01440764 tench'. (default: the names that the model has, or else "
        + "the sorted names of the class folders)", valueName: "file"), completion: .text)
  var path: String?

  /// The names; `nil` where none are given.
  ///
  /// - Throws: `FileError` where the file cannot be read, or is not UTF-8.
  func list() throws -> ClassNameList? { try path.map { try ClassNameList(path: $0) } }
}
