import Images

/// Matches the class folders of images with the classes of a classifier.
struct ClassLabels {
  /// The index of each folder's class in the classifier, with the folders in sorted order; `nil` where folders cannot
  /// be matched, so that accuracy is not measured.
  private let classes: [Int]?
  /// The names of the classes in the classifier's order; empty where nothing names them.
  let names: [String]
  /// Why accuracy is not measured although images are labelled, as a sentence.
  private(set) var warning: String?
  /// How folders were matched, as a sentence.
  private(set) var note: String?
  /// What had to be assumed, as a sentence.
  private(set) var assumption: String?

  var areMeasured: Bool { classes != nil }

  /// The index in the classifier of a folder's class; `nil` where folders are not matched.
  ///
  /// - Parameter place: the place of the folder in the sorted order.
  func index(ofFolder place: Int) -> Int? {
    classes.flatMap { $0.indices.contains(place) ? $0[place] : nil }
  }

  /// The index of an image's class in the classifier; `nil` where the image is not labelled or folders are not matched.
  func label(of file: ImageFolder.File) -> Int? {
    file.label.flatMap(index(ofFolder:))
  }

  /// Matches the class folders that a conversion uses. Where the checkpoint does not name its classes, the sorted names
  /// of the folders are assumed to be in the classifier's order.
  ///
  /// - Parameters:
  ///   - calibration: the calibration folder, which names the classes where it has as many as the classifier.
  ///   - verification: the folder whose labels are used; it may have only some of the classes.
  ///   - classCount: the number of classes of the classifier; 0 without one.
  ///   - names: the checkpoint's class names in the classifier's order; empty where it has none.
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
    "the classifier's classes are in the order of the sorted names of the class folders (to change it, name the "
    + "folders so that they sort in the classifier's order)"

  /// Matches the class folders of one folder.
  ///
  /// - Parameters:
  ///   - classCount: the number of classes of the classifier; 0 without one.
  ///   - stored: the class names that the model stores, in the classifier's order; empty where there are none.
  ///   - source: where the stored names come from, for messages, such as "the package".
  init(_ folder: ImageFolder, classCount: Int, stored: [String] = [], of source: String = "") {
    self.init(
      folder.classNames, in: FolderName.of(folder.path), classCount: classCount, stored: stored, of: source)
  }

  /// Matches the class folders of a list of images.
  ///
  /// - Parameters:
  ///   - names: the names of the class folders in sorted order; empty where images are not labelled.
  ///   - folder: the name of what contains them, for messages.
  ///   - classCount: the number of classes of the classifier; 0 without one.
  ///   - stored: the class names that the model stores, in the classifier's order; empty where there are none.
  ///   - source: where the stored names come from, for messages, such as "the package".
  init(_ names: [String], in folder: String, classCount: Int, stored: [String] = [], of source: String = "") {
    let storedNames = stored.count == classCount ? stored : []
    guard !names.isEmpty, classCount > 0 else {
      (classes, self.names) = (nil, storedNames)
      return
    }
    if storedNames.isEmpty {
      guard names.count == classCount else {
        (classes, self.names) = (nil, [])
        warning =
          "\(folder) has \(names.count) class folders, but the classifier has \(classCount) "
          + "classes; accuracy is not measured"
        return
      }
      (classes, self.names) = (Array(names.indices), names)
      assumption = Self.sortedOrder
      return
    }
    self.names = storedNames
    let positions = Dictionary(storedNames.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    let matched = names.compactMap { positions[$0] }
    guard matched.count == names.count else {
      classes = nil
      let unmatched = names.filter { positions[$0] == nil }
      warning =
        "\(unmatched.count) of the \(names.count) class folders of \(folder), such as "
        + "\(unmatched[0]), do not match a class of \(source), whose first class is \(storedNames[0]); accuracy is not "
        + "measured"
      return
    }
    classes = matched
    if names.count < storedNames.count {
      note = "the class folders are \(names.count) of the \(storedNames.count) classes of \(source), matched by name"
    } else if names != storedNames {
      note = "the class folders are in a different order from the classes of \(source), and were matched by name"
    }
  }
}
