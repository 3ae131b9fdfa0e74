import Fidelity
import Files
import PrintableText

/// The validation images of ImageNet (Russakovsky et al., arXiv 1409.0575): a folder a class, named by its WordNet ID,
/// or all images in one folder, named `ILSVRC2012_val_00000001.JPEG` and so on, with a list of labels. Only accuracy is
/// measured.
package enum ImageNetSet {
  /// - Parameter labels: the path of the list of labels for images that are not in class folders.
  /// - Throws: `FileError` where the list cannot be read; `RetrievalError.layout` where there are neither class folders
  ///   nor a list, `.file` where the list does not fit the images, `.option` where there are both.
  package static func task(_ list: ListedImages, labels path: String?) throws -> RetrievalTask {
    let labels: ImageLabels
    if let path {
      guard list.classNames.count <= 1 else {
        throw RetrievalError.option("--labels is for images in one folder, but \(list.source) has class folders")
      }
      labels = try Self.labels(list, path: path)
    } else if let folders = list.labels, list.classNames.count > 1 {
      if let other = list.classNames.first(where: { !$0.isWordNetID }) {
        throw list.misfit(
          "imagenet",
          "class folders are named by WordNet IDs such as n01440764, but there is \(printable(other)); "
            + "for folders of other names, use --set folders")
      }
      labels = folders
    } else {
      throw list.misfit("imagenet", "images are not in class folders; give the list of their labels by --labels")
    }
    return RetrievalTask(set: "imagenet", images: list.images, queries: [], labels: labels)
  }

  /// Reads a list of labels. A line has the name of an image and its label, or the label alone, where the lines are in
  /// the order of the images' names. A label is a WordNet ID, or the index of the class in the classifier, from 0.
  private static func labels(_ list: ListedImages, path: String) throws -> ImageLabels {
    let lines = try TextFile.lines(path).map { line in
      line.split { $0 == " " || $0 == "\t" || $0 == "," }.map(String.init)
    }
    func refuse(_ problem: String) -> RetrievalError { .file(path: path, problem: problem) }
    guard let width = lines.first?.count, (1...2).contains(width) else {
      throw refuse("expected a label, or the name of an image and its label, on each line")
    }
    if let line = lines.firstIndex(where: { $0.count != width }) {
      throw refuse("line \(line + 1) has \(lines[line].count) fields, and the first line \(width)")
    }
    var texts: [String: String] = [:]
    if width == 1 {
      guard lines.count == list.images.count else {
        throw refuse("it has \(lines.count) labels for the \(list.images.count) images of \(list.source)")
      }
      for (image, fields) in zip(list.images, lines) { texts[image.name] = fields[0] }
    } else {
      let reader = GroundTruthReader(path: path, list: list)
      for (index, fields) in lines.enumerated() {
        let place = try reader.place(of: fields[0], "line \(index + 1)")
        guard texts.updateValue(fields[1], forKey: list.images[place].name) == nil else {
          throw refuse("line \(index + 1): \(printable(fields[0])) has a label already")
        }
      }
      if let missing = list.images.first(where: { texts[$0.name] == nil }) {
        throw refuse("it has no label for \(printable(missing.name))")
      }
    }
    return try resolved(texts, refuse)
  }

  private static func resolved(
    _ texts: [String: String], _ refuse: (String) -> RetrievalError
  ) throws(RetrievalError) -> ImageLabels {
    let distinct = Set(texts.values).sorted(by: precedesInUTF8)
    if distinct.allSatisfy(\.isWordNetID) {
      let places = Dictionary(uniqueKeysWithValues: distinct.enumerated().map { ($1, $0) })
      return ImageLabels(classNames: distinct, labels: texts.compactMapValues { places[$0] })
    }
    if let other = distinct.first(where: { ListedImages.number($0) == nil }) {
      throw refuse("the label \(printable(other)) is neither a WordNet ID nor the index of a class")
    }
    let labels = texts.compactMapValues { ListedImages.number($0) }
    if labels.values.max() == 1000, labels.values.min() ?? 0 >= 1 {
      throw refuse(
        "its labels are from 1 to 1000, as in ILSVRC2012_validation_ground_truth.txt, whose classes are in another order "
          + "than those of classifiers; give WordNet IDs, or indices of the classifier's classes from 0")
    }
    return ImageLabels(classNames: [], labels: labels)
  }
}

extension String {
  /// Whether the text has the form of a noun's WordNet ID, such as n01440764.
  package var isWordNetID: Bool {
    utf8.count == 9 && hasPrefix("n") && ListedImages.number(dropFirst()) != nil
  }
}
