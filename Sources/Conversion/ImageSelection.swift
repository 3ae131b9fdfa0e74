import Fidelity
import Files
import Images
import Pixels

/// The images that a conversion calibrates on, and those that it is verified on.
struct ImageSelection {
  let calibration: [ImageFolder.File]
  let verification: [ImageFolder.File]
  let verificationFolder: String
  /// Where the verification images come from.
  private let source: Source
  /// The classes of the verification images.
  let labels: ClassLabels

  /// Where verification images come from.
  enum Source {
    /// A folder of a network that needs no calibration.
    case only
    /// A folder next to that of the calibration images.
    case folder
    /// The images of the calibration folder that were not chosen to calibrate on.
    case heldOut
    /// The calibration images, for lack of others.
    case calibration
  }

  init(
    calibration: [ImageFolder.File], verification: [ImageFolder.File], verificationFolder: String, source: Source,
    labels: ClassLabels
  ) {
    (self.calibration, self.verification, self.verificationFolder) = (calibration, verification, verificationFolder)
    (self.source, self.labels) = (source, labels)
  }

  /// Whether the network is verified on the calibration images, for lack of others.
  var verifiesOnCalibration: Bool { source == .calibration }

  /// A description of the verification images for reports, as they are before any is read.
  var verifiedOn: String { description(verification.count, areNew: true) }

  /// A description of the verification images for reports, once they were compared.
  func description(of set: VerificationSet) -> String { description(set.set.images, areNew: set.overlap == 0) }

  /// - Parameter areNew: whether none of the images was calibrated on.
  private func description(_ count: Int, areNew: Bool) -> String {
    let images = count == 1 ? "one image" : "\(count) images"
    switch source {
    case .only: return images
    case .folder: return "\(count) images of the verification folder"
    case .heldOut:
      return "\(images) of the calibration folder that \(count == 1 ? "was" : "were") "
        + (areNew ? "not calibrated on" : "held out")
    case .calibration: return "the calibration image itself, for lack of others"
    }
  }

  /// - Parameters:
  ///   - folder: the calibration folder.
  ///   - names: the names of the classes.
  /// - Throws: `ImageError` where the verification folder cannot be read or has no images.
  init(
    _ options: ConversionOptions, calibration folder: ImageFolder, _ names: ClassNames, progress: any ProgressObserver
  ) throws {
    if let path = options.verificationFolder {
      let count = options.calibrationCount ?? min(folder.files.count, ConversionOptions.defaultImageLimit)
      if count > folder.files.count {
        progress.warn(
          "\(folder.path) holds \(folder.files.count) images, fewer than the \(count) requested; all are used")
      }
      calibration = folder.spreadSample(count: count)
      let other = try ImageFolder(path: path, progress: progress)
      verification = other.files
      verificationFolder = path
      source = .folder
      labels = ClassLabels(calibration: folder, verification: other, names)
      return
    }
    verificationFolder = folder.path
    labels = ClassLabels(calibration: folder, verification: folder, names)
    let count = Self.calibrationCount(of: folder.files.count, requested: options.calibrationCount)
    if let requested = options.calibrationCount, requested > count {
      progress.warn(
        "\(folder.path) holds \(folder.files.count) images: calibration uses \(count) instead of \(requested), and the "
          + "others are held out for verification; give other images with --verify-images to calibrate on all of them")
    }
    calibration = folder.spreadSample(count: count)
    let used = Set(calibration.map { ExactName($0.relativePath) })
    let heldOut = folder.files.filter { !used.contains(ExactName($0.relativePath)) }
    source = heldOut.isEmpty ? .calibration : .heldOut
    verification = heldOut.isEmpty ? calibration : heldOut.spread(ConversionOptions.defaultImageLimit)
  }

  /// How many images of a folder to calibrate on where the others are to verify on. A fifth, and at least one, is held
  /// out, unless the requested number leaves images to verify on.
  ///
  /// - Parameters:
  ///   - images: the number of images in the folder.
  ///   - requested: the number of calibration images that the user requests; `nil`: any.
  static func calibrationCount(of images: Int, requested: Int?) -> Int {
    guard images > 1 else { return images }
    let limit = images - max(1, (images + 2) / 5)
    guard let requested else { return min(limit, ConversionOptions.defaultImageLimit) }
    return requested < images ? requested : limit
  }
}
