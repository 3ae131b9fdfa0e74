import Images

/// Which classes of a classifier the class folders of images stand for.
struct ClassLabels {
  /// The class of each folder, by its number in sorted order; `nil` where that cannot be told, so that accuracy is not measured.
  private let classes: [Int]?
  /// The names of the classes in the classifier's order; empty where they are not told.
  let names: [String]
  /// Why accuracy is not measured although images are labelled, in a sentence.
  private(set) var warning: String?
  /// How folders were matched, in a sentence.
  private(set) var note: String?
  /// What had to be taken for granted, in a sentence.
  private(set) var assumption: String?

  var areMeasured: Bool { classes != nil }

  /// The index of an image's class in the classifier.
  func label(of file: ImageFolder.File) -> Int? {
    guard let classes, let label = file.label, classes.indices.contains(label) else { return nil }
    return classes[label]
  }

  /// The classes of folders that a conversion uses; where the checkpoint does not name them, their sorted names are taken to
  /// be in the classifier's order.
  ///
  /// - Parameters:
  ///   - calibration: names the classes, where it has as many as the classifier.
  ///   - verification: whose labels are used; it may have some of the classes only.
  ///   - names: the checkpoint's, in the classifier's order; empty where it has none.
  init(calibration: ImageFolder, verification: ImageFolder, classCount: Int, ofCheckpoint names: [String]) {
    if names.count == classCount, classCount > 0 {
      self.init(verification, classCount: classCount, stored: names, of: "the checkpoint")
      return
    }
    let calibrated = ClassLabels(calibration, classCount: classCount)
    guard !calibrated.names.isEmpty, calibration != verification else {
      self.init(verification, classCount: classCount)
      return
    }
    self.init(verification, classCount: classCount, stored: calibrated.names, of: "the calibration folder")
    assumption = areMeasured ? Self.sortedOrder : nil
  }

  private static let sortedOrder =
    "the classifier's classes are in the order of the sorted names of the class folders (to change it, name the folders so "
    + "that they sort in the classifier's order)"

  /// - Parameters:
  ///   - classCount: of the classifier; 0 without one.
  ///   - stored: the names of its classes in its order, as a package has them; empty where there are none.
  ///   - source: what the stored names are of: "the package".
  init(_ folder: ImageFolder, classCount: Int, stored: [String] = [], of source: String = "") {
    let known = stored.count == classCount ? stored : []
    let names = folder.classNames
    guard folder.isLabelled, classCount > 0 else {
      (classes, self.names) = (nil, known)
      return
    }
    if known.isEmpty {
      guard names.count == classCount else {
        (classes, self.names) = (nil, [])
        warning =
          "\(FolderName.of(folder.path)) has \(names.count) class folders, but the classifier has \(classCount) classes; accuracy is not "
          + "measured"
        return
      }
      (classes, self.names) = (Array(names.indices), names)
      assumption = Self.sortedOrder
      return
    }
    self.names = known
    let positions = Dictionary(known.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    let matched = names.compactMap { positions[$0] }
    guard matched.count == names.count else {
      classes = nil
      let unmatched = names.filter { positions[$0] == nil }
      warning =
        "\(unmatched.count) of the \(names.count) class folders of \(FolderName.of(folder.path)), such as \(unmatched[0]), are no classes of "
        + "\(source), whose first is \(known[0]); accuracy is not measured"
      return
    }
    classes = matched
    if names.count < known.count {
      note = "the class folders are \(names.count) of the \(known.count) classes of \(source), matched by name"
    } else if names != known {
      note = "the class folders are in another order than the classes of \(source), and were matched by name"
    }
  }
}
