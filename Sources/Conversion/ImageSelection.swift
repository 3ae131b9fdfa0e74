import Images
import Pixels

/// The images that a conversion calibrates on, and those that it is verified on.
struct ImageSelection {
  let calibration: [ImageFolder.File]
  let verification: [ImageFolder.File]
  let verificationFolder: String
  /// A description of the verification images for reports.
  let verifiedOn: String
  /// Whether the network is verified on the calibration images, for lack of others.
  let verifiesOnCalibration: Bool
  /// The classes of the verification images.
  let labels: ClassLabels

  init(
    calibration: [ImageFolder.File], verification: [ImageFolder.File], verificationFolder: String, verifiedOn: String,
    verifiesOnCalibration: Bool, labels: ClassLabels
  ) {
    (self.calibration, self.verification, self.verificationFolder) = (calibration, verification, verificationFolder)
    (self.verifiedOn, self.verifiesOnCalibration, self.labels) = (verifiedOn, verifiesOnCalibration, labels)
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
      verifiesOnCalibration = false
      verifiedOn = "\(other.files.count) images of the verification folder"
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
    let used = Set(calibration.map(\.relativePath))
    let heldOut = folder.files.filter { !used.contains($0.relativePath) }
    verifiesOnCalibration = heldOut.isEmpty
    if !verifiesOnCalibration {
      verification = heldOut.spread(ConversionOptions.defaultImageLimit)
      verifiedOn =
        verification.count == 1
        ? "one image of the calibration folder that was not calibrated on"
        : "\(verification.count) images of the calibration folder that were not calibrated on"
    } else {
      verification = calibration
      verifiedOn = "the calibration image itself, for lack of others"
    }
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
