import Fidelity
import Files
import Images
import PrintableText

/// The images that a set consists of: those of a folder, or the rows of a file with embeddings.
package struct ListedImages: Sendable {
  /// The path of the folder or of the file, for messages.
  package let source: String
  /// In ascending order of their names; names are unique.
  package let images: [TaskImage]
  /// The folders directly below the folder where all images are in such folders, otherwise empty: those of the classes,
  /// including those without images.
  package let classNames: [String]

  /// The images of a folder and of its subfolders.
  package init(_ folder: ImageFolder) {
    source = folder.path
    images = folder.files.map { TaskImage(name: $0.relativePath, path: $0.path) }
    classNames = folder.classNames
  }

  /// Images without files.
  ///
  /// - Throws: `RetrievalError.file` where a name occurs twice or is empty.
  package init(names: [String], source: String) throws(RetrievalError) {
    let sorted = names.sorted(by: precedesInUTF8)
    if sorted.first?.isEmpty == true { throw .file(path: source, problem: "a row has no image name") }
    if let twice = zip(sorted, sorted.dropFirst()).first(where: { $0 == $1 }) {
      throw .file(path: source, problem: "two rows are of \(printable(twice.0))")
    }
    self.source = source
    images = sorted.map { TaskImage(name: $0, path: nil) }
    let isFlat = sorted.contains { !$0.utf8.contains(UInt8(ascii: "/")) }
    classNames = isFlat ? [] : Set(sorted.map(\.topFolder)).sorted(by: precedesInUTF8)
  }

  /// The class of each image by its name, as an index of `classNames`; `nil` where images are not in class folders.
  var labels: ImageLabels? {
    guard !classNames.isEmpty else { return nil }
    let places = Dictionary(classNames.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    let labels = images.compactMap { image in places[image.name.topFolder].map { (image.name, $0) } }
    return ImageLabels(classNames: classNames, labels: Dictionary(labels, uniquingKeysWith: { first, _ in first }))
  }

  /// Checks that names differ as texts, by which ground truth and classes refer to them, and not only as bytes.
  ///
  /// - Throws: `RetrievalError.file` for two that are the same text in Unicode.
  func checkNames() throws(RetrievalError) {
    var seen: [String: [UInt8]] = [:]
    for name in classNames + images.map(\.name) {
      for text in [name, name.topFolder] {
        guard let other = seen.updateValue(Array(text.utf8), forKey: text), !other.elementsEqual(text.utf8) else {
          continue
        }
        throw .file(
          path: source,
          problem: "two names are \(printable(text)), composed of different characters that look the same; rename one")
      }
    }
  }

  /// A failure of the layout.
  func misfit(_ set: String, _ problem: String) -> RetrievalError {
    .layout(set: set, source: source, problem: problem)
  }

  /// The numbers that all images are named by, after a prefix.
  ///
  /// - Throws: `RetrievalError.layout` where an image is named otherwise, or two images have the same number.
  func numbers(_ images: [TaskImage], prefix: String = "", set: String) throws(RetrievalError) -> [Int] {
    var seen: [Int: String] = [:]
    var numbers: [Int] = []
    for image in images {
      let stem = image.stem
      guard stem.hasPrefix(prefix), let number = Self.number(stem.dropFirst(prefix.count)) else {
        throw misfit(
          set,
          "images are named '\(prefix)NUMBER.jpg', but there is \(printable(image.name)). Give the folder that "
            + "has only the images of the set")
      }
      if let other = seen.updateValue(image.name, forKey: number) {
        throw misfit(set, "\(printable(other)) and \(printable(image.name)) have the same number")
      }
      numbers.append(number)
    }
    return numbers
  }

  /// A decimal number of at most nine digits and nothing else.
  static func number(_ text: some StringProtocol) -> Int? {
    guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(text)
  }
}
