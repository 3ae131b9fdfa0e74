import Checkpoints
import Fidelity
import Files
import PrintableText

/// A value of a file with ground truth, whether it is a pickle or JSON.
typealias GroundTruthValue = PlainValue

extension PlainValue {
  /// Reads a pickle, without executing anything, or JSON; the name of the file decides.
  ///
  /// - Throws: `FileError` or `CheckpointError` where the file cannot be read; `RetrievalError.file` where its name is
  ///   that of neither.
  static func read(path: String) throws -> PlainValue {
    let ending = path.split(separator: ".").last?.lowercased()
    switch ending {
    case "pkl", "pickle": return try PlainPickle.read(path: path)
    case "json": return try PlainValue.readJSON(path: path)
    default: throw RetrievalError.file(path: path, problem: "its name must end in .json, or .pkl for a pickle")
    }
  }
}

/// Reads values of ground truth as images and their indices; errors name the file.
struct GroundTruthReader {
  private let path: String
  private let list: ListedImages
  /// The index of each image by its name, and by its name without folders, with and without extension; `nil` where
  /// several images have it.
  private let places: [String: Int?]

  init(path: String, list: ListedImages) {
    (self.path, self.list) = (path, list)
    var places: [String: Int?] = [:]
    for (index, image) in list.images.enumerated() {
      let file = image.name.split(separator: "/").last.map(String.init) ?? image.name
      for alias in Set([file, String(image.stem)]) where alias != image.name {
        places[alias] = .some(places.keys.contains(alias) ? nil : index)
      }
    }
    for (index, image) in list.images.enumerated() { places[image.name] = .some(index) }
    self.places = places
  }

  func refuse(_ problem: String) -> RetrievalError { .file(path: path, problem: problem) }

  /// The index of an image in the list.
  func place(of name: String, _ title: String) throws(RetrievalError) -> Int {
    guard let place = places[name] else {
      throw refuse("\(title) names \(printable(name)), which is not among the images of \(list.source)")
    }
    guard let place else { throw refuse("\(title) names \(printable(name)), of which \(list.source) has several") }
    return place
  }

  func optionalMember(_ value: PlainValue, _ key: String, of title: String) throws(RetrievalError) -> PlainValue? {
    guard case .dictionary(let members) = value else {
      if case .list = value, key == "groups" { return nil }
      throw refuse("\(title) is not a dictionary")
    }
    return members[key]
  }

  func member(_ value: PlainValue, _ key: String, of title: String) throws(RetrievalError) -> PlainValue {
    guard let member = try optionalMember(value, key, of: title) else { throw refuse("\(title) has no '\(key)'") }
    return member
  }

  func list(_ value: PlainValue, _ title: String) throws(RetrievalError) -> [PlainValue] {
    guard case .list(let values) = value else { throw refuse("\(title) is not a list") }
    return values
  }

  func images(_ value: PlainValue, _ title: String) throws(RetrievalError) -> [TaskImage] {
    var images: [TaskImage] = []
    for value in try list(value, title) {
      guard case .string(let name) = value else { throw refuse("\(title) is not a list of image names") }
      images.append(list.images[try place(of: name, title)])
    }
    return images
  }

  func indices(_ value: PlainValue, _ title: String, below count: Int) throws(RetrievalError) -> [Int] {
    var indices: [Int] = []
    for value in try list(value, title) {
      guard let number = value.number, let index = Int(exactly: number), (0..<count).contains(index) else {
        throw refuse("\(title) is not a list of indices below \(count)")
      }
      indices.append(index)
    }
    return indices
  }

  /// A box as a list of four numbers: left, top, right, bottom.
  func box(_ value: PlainValue, _ title: String) throws(RetrievalError) -> ImageBox {
    let values = try list(value, title)
    let numbers = values.compactMap(\.number)
    guard values.count == 4, numbers.count == 4,
      let box = ImageBox(left: numbers[0], top: numbers[1], right: numbers[2], bottom: numbers[3])
    else { throw refuse("\(title) is not a list of four numbers: left, top, right, bottom") }
    return box
  }
}
