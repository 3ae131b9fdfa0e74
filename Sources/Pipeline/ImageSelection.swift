import Images

/// Which images a conversion calibrates on and which it is verified on.
struct ImageSelection {
  let calibration: [ImageFolder.File]
  let verification: [ImageFolder.File]
  let verificationFolder: String
  /// In words, for reports.
  let verifiedOn: String
  /// Whether the network is verified on the images it is calibrated on, for want of others.
  let verifiesOnCalibration: Bool
  /// Class names in the classifier's order; empty where the folders do not name its classes.
  let labels: [String]
  var hasLabels: Bool { !labels.isEmpty }

  /// With fewer images than this left over, fidelity is measured on the calibration images instead.
  private static let leastHeldOut = 16

  /// - Parameter classCount: of the classifier; 0 without one.
  init(
    _ options: ConversionOptions, calibration folder: ImageFolder, classCount: Int, progress: any ProgressObserver
  ) throws {
    let count = options.calibrationCount ?? min(folder.files.count, ConversionOptions.defaultImageLimit)
    if count > folder.files.count {
      progress.warn(
        "\(folder.path) holds \(folder.files.count) images, fewer than the \(count) asked for; all are used")
    }
    calibration = folder.spreadSample(count: count)
    if let path = options.verificationFolder {
      let other = try ImageFolder(path: path)
      verification = other.files
      verificationFolder = path
      verifiesOnCalibration = false
      verifiedOn = "\(other.files.count) images of the verification folder"
      labels = Self.labels(of: other, classCount: classCount, progress: progress)
      return
    }
    verificationFolder = folder.path
    labels = Self.labels(of: folder, classCount: classCount, progress: progress)
    let used = Set(calibration.map(\.relativePath))
    let heldOut = folder.files.filter { !used.contains($0.relativePath) }
    verifiesOnCalibration = heldOut.count < Self.leastHeldOut
    if !verifiesOnCalibration {
      verification = heldOut.spread(ConversionOptions.defaultImageLimit)
      verifiedOn = "\(verification.count) images of the calibration folder that were not calibrated on"
    } else {
      verification = calibration
      verifiedOn = "the \(calibration.count) calibration images themselves, for want of others"
    }
  }

  /// The names of a folder's classes where they can be the classifier's.
  static func labels(of folder: ImageFolder, classCount: Int, progress: any ProgressObserver) -> [String] {
    guard folder.isLabelled, folder.classNames.count != classCount else { return folder.classNames }
    progress.warn(
      "\(folder.path) has \(folder.classNames.count) class folders, but the classifier has \(classCount) classes; "
        + "accuracy is not measured")
    return []
  }
}
