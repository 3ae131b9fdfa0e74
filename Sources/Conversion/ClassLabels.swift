import Images

/// Matches the class folders of images with the classes of a classifier.
struct ClassLabels {
  /// The index of each folder's class in the classifier, with the folders in sorted order; `nil` where folders cannot
  /// be matched, so that accuracy is not measured.
  private let classes: [Int]?
  /// The names of the classes in the classifier's order; empty where nothing names them.
  private(set) var names: [String]
  /// What casts doubt on the names, as a sentence.
  private var doubt: String?
  /// Why accuracy is not measured although images are labelled, as a sentence.
  private(set) var problem: String?
  /// How folders were matched, as a sentence.
  private(set) var note: String?
  /// What had to be assumed, as a sentence.
  private(set) var assumption: String?

  var areMeasured: Bool { classes != nil }

  /// What readers of figures should know, a sentence each.
  var warnings: [String] { [doubt, problem].compactMap(\.self) }

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

  /// Matches the class folders that a conversion uses. Where nothing names the classes, or a list names them as no
  /// folder is named, the sorted names of the calibration folder are assumed to be in the classifier's order.
  ///
  /// - Parameters:
  ///   - calibration: the calibration folder.
  ///   - verification: the folder whose labels are used; it may have only some of the classes.
  ///   - names: the names of the classes.
  init(calibration: ImageFolder, verification: ImageFolder, _ names: ClassNames) {
    let calibrated = ClassLabels(calibration, names)
    guard calibration != verification, calibrated.assumption != nil else {
      self.init(verification, names)
      return
    }
    self.init(
      verification, ClassNames(names.count, stored: calibration.classNames, of: "the calibration folder"))
    self.names = calibrated.names
    assumption = areMeasured ? calibrated.assumption : nil
    doubt = names.warning
  }

  /// Matches the class folders of one folder.
  init(_ folder: ImageFolder, _ names: ClassNames) {
    self.init(folder.classNames, in: FolderName.of(folder.path), names)
  }

  /// Matches the class folders of a list of images.
  ///
  /// - Parameters:
  ///   - folders: the names of the class folders in sorted order; empty where images are not labelled.
  ///   - container: the name of what contains them, for messages.
  ///   - names: the names of the classes.
  init(_ folders: [String], in container: String, _ names: ClassNames) {
    self.names = names.names
    doubt = names.warning
    guard !folders.isEmpty, names.count > 0 else {
      classes = nil
      return
    }
    if names.names.isEmpty {
      guard folders.count == names.count else {
        classes = nil
        problem =
          "\(container) has \(folders.count) class folders, but the classifier has \(names.count) classes; accuracy is "
          + "not measured"
        return
      }
      (classes, self.names) = (Array(folders.indices), folders)
      assumption = Self.sortedOrder
      return
    }
    let places = names.places(of: folders)
    let matched = places.compactMap(\.self)
    if names.areListed, matched.isEmpty, folders.count == names.count {
      classes = Array(folders.indices)
      assumption = "as no class folder of \(container) has a name that \(names.source) lists, " + Self.sortedOrder
      return
    }
    guard matched.count == folders.count else {
      classes = nil
      let unmatched = zip(folders, places).compactMap { folder, place in place == nil ? folder : nil }
      problem =
        "\(unmatched.count) of the \(folders.count) class folders of \(container), such as "
        + "\(unmatched[0]), do not match a class of \(names.source), whose first class is \(names.names[0]); accuracy "
        + "is not measured (to measure it, list the folders' names in the classifier's order, and give the list by "
        + "--class-names)"
      return
    }
    classes = matched
    if folders.count < names.count {
      note = "the class folders are \(folders.count) of the \(names.count) classes of \(names.source), matched by name"
    } else if matched != Array(folders.indices) {
      note =
        "the class folders are in a different order from the classes of \(names.source), and were matched by name"
    }
  }

  private static let sortedOrder =
    "the classifier's classes are in the order of the sorted names of the class folders (to change it, list the "
    + "folders' names in the classifier's order, and give the list by --class-names)"
}
