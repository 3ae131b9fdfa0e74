import Images

/// Which images a conversion calibrates on and which it is verified on.
struct ImageSelection {
  let calibration: [ImageFolder.File]
  let verification: [ImageFolder.File]
  let verificationFolder: String
  /// In a few words, for reports.
  let verifiedOn: String
  /// Whether the network is verified on the images it is calibrated on, for lack of others.
  let verifiesOnCalibration: Bool
  /// Which classes the folders of verification images stand for.
  let labels: ClassLabels

  /// - Parameters:
  ///   - classCount: of the classifier; 0 without one.
  ///   - classNames: in its order, as the checkpoint has them; empty where it does not.
  init(
    _ options: ConversionOptions, calibration folder: ImageFolder, classCount: Int, classNames: [String],
    progress: any ProgressObserver
  ) throws {
    if let path = options.verificationFolder {
      let count = options.calibrationCount ?? min(folder.files.count, ConversionOptions.defaultImageLimit)
      if count > folder.files.count {
        progress.warn(
          "\(folder.path) holds \(folder.files.count) images, fewer than the \(count) asked for; all are used")
      }
      calibration = folder.spreadSample(count: count)
      let other = try ImageFolder(path: path)
      verification = other.files
      verificationFolder = path
      verifiesOnCalibration = false
      verifiedOn = "\(other.files.count) images of the verification folder"
      labels = ClassLabels(
        calibration: folder, verification: other, classCount: classCount, ofCheckpoint: classNames)
      return
    }
    verificationFolder = folder.path
    labels = ClassLabels(
      calibration: folder, verification: folder, classCount: classCount, ofCheckpoint: classNames)
    let count = Self.calibrationCount(of: folder.files.count, asked: options.calibrationCount)
    if let asked = options.calibrationCount, asked > count {
      progress.warn(
        "\(folder.path) holds \(folder.files.count) images: \(count) are calibrated on instead of \(asked), and the others are "
          + "held out to verify on; give others by --verify-images to calibrate on all")
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

  /// How many of a folder's images are calibrated on where the others are verified on: a fifth is held out, and at least one,
  /// unless the number that was asked for leaves others over.
  static func calibrationCount(of images: Int, asked: Int?) -> Int {
    guard images > 1 else { return images }
    let limit = images - max(1, (images + 2) / 5)
    guard let asked else { return min(limit, ConversionOptions.defaultImageLimit) }
    return asked < images ? asked : limit
  }
}
