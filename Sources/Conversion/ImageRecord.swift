import Fidelity
import Files
import Images
import Pixels

/// The images of a conversion as reports and packages describe them.
struct ImageRecord {
  /// The images that the ranges of the package come from, which its calibration record names: those of the calibration
  /// folder, or those of a plan that gives all ranges.
  private(set) var calibration: ImageSet
  /// The images that the ranges or the rounding of weights come from, once `finish` was called.
  private(set) var calibrated = CalibratedImages()
  /// The images that weights were rounded with, where they are others than `calibration`.
  private(set) var rounding: ImageSet?
  /// How the images of a plan differ from those of the calibration folder, in a sentence; `nil` where they do not.
  private(set) var note: String?
  /// The hash of the verification images as a set.
  let verificationSHA256: String

  /// The keys of the images of the calibration folder.
  private let keys: ImageKeys
  private let fileCount: Int
  private let verified: ContentHashes
  private let origin: VerificationSet.Origin
  private let verificationFolder: String

  /// Reads, decodes and hashes all images.
  ///
  /// - Throws: `ImageError` for an image that the system fails to read.
  init(_ images: ImageSelection, calibrationFolder: String, threads: Int) throws(ImageError) {
    let hashes = try ContentHashes(images.calibration, threads: threads)
    calibration = hashes.set(of: calibrationFolder)
    keys = hashes.keys
    fileCount = images.calibration.count
    if images.verifiesOnCalibration {
      (verified, origin, verificationFolder) = (hashes, .calibration, calibrationFolder)
    } else {
      verified = try ContentHashes(images.verification, threads: threads)
      verificationFolder = images.verificationFolder
      origin = verificationFolder.isExactly(calibrationFolder) ? .heldOut : .folder
    }
    verificationSHA256 = verified.set(of: verificationFolder).sha256
  }

  /// The maximum number of images whose keys the package stores.
  var keyCount: Int { max(fileCount, calibrated.keys?.count ?? 0) }

  /// Adds which images the network was calibrated on.
  ///
  /// - Parameters:
  ///   - skippedCount: how many images of the calibration folder were left out; `nil` where none was run, as the plan
  ///     gives all ranges.
  ///   - plan: the plan that was given; `nil` for none.
  ///   - roundsByImages: whether weights are rounded by images of the calibration folder.
  mutating func finish(skippedCount: Int?, plan: PlanFile?, roundsByImages: Bool) {
    var folder = calibration
    if let skippedCount {
      folder.images = max(0, fileCount - skippedCount)
      folder.duplicates = folder.duplicates.map { min($0, folder.images) }
    }
    let usesFolder = skippedCount != nil || roundsByImages
    if usesFolder { calibrated.add(folder, keys: keys) }
    calibration = folder
    guard let plan, plan.comesFromImages else { return }
    let planned = plan.calibrationSet
    let isSame = planned.map { $0.sha256 == folder.sha256 } ?? false
    calibrated.add(planned, keys: plan.imageKeys ?? (isSame ? keys : nil))
    if skippedCount == nil, var planned {
      planned.duplicates = isSame ? folder.duplicates : nil
      calibration = planned
      if roundsByImages, !isSame { rounding = folder }
    }
    guard !isSame else { return }
    guard let planned else {
      note = "the plan does not name the images that its decisions come from, so that they may be any"
      return
    }
    let use =
      skippedCount != nil
      ? "and what it leaves open on \(folder.described), those of --calibration; both count as calibrated on"
      : roundsByImages
        ? "and weights were rounded with \(folder.described), those of --calibration; both count as calibrated on"
        : "and nothing depends on those of --calibration"
    note = "the plan was calibrated on \(planned.described), \(use)"
  }

  /// The verification images, and how many of those compared were calibrated on.
  ///
  /// - Parameter measurements: the comparisons at all sizes, at least one.
  func verification(_ measurements: [SizeMeasurement]) -> VerificationSet {
    verified.verification(origin, of: verificationFolder, measurements, calibrated)
  }

  /// The names of the verification images that were calibrated on; none where these are the calibration images, for
  /// lack of others.
  ///
  /// - Parameter skipped: the images that were left out.
  func overlap(without skipped: BrokenImages) -> [String] {
    guard origin != .calibration else { return [] }
    let broken = skipped.paths
    let compared = verified.filtered { !broken.contains(ExactName($0)) }
    return calibrated.overlap(with: compared, of: compared.set(of: verificationFolder)) ?? []
  }
}

extension ImageSet {
  /// Such as "48 images of 'photos'".
  fileprivate var described: String { "\(images) image\(images == 1 ? "" : "s") of '\(name)'" }
}
