import Fidelity
import Files
import Images

/// The images that quantised networks were calibrated on, as far as they are known.
struct CalibratedImages {
  private var knownKeys = ImageKeys([])
  /// The hashes of the sets that the images form.
  private var sets: Set<String> = []
  /// Whether there are images whose keys are not known.
  private var isIncomplete = false

  /// The keys of all images; `nil` where some are not known.
  var keys: ImageKeys? { isIncomplete ? nil : knownKeys }

  /// Adds images.
  ///
  /// - Parameters:
  ///   - set: the images as a set; `nil` where they are not known as one.
  ///   - keys: the keys of the images; `nil` where they are not known.
  mutating func add(_ set: ImageSet?, keys: ImageKeys?) {
    if let set { sets.insert(set.sha256) }
    if let keys { knownKeys.formUnion(keys) } else { isIncomplete = true }
  }

  /// The names of the images that were calibrated on, in their order.
  ///
  /// - Parameters:
  ///   - images: the hashes of images that networks were compared on.
  ///   - set: the set that they were chosen from.
  /// - Returns: `nil` where that is not known: there are images without keys, and those with keys alone do not cast
  ///   doubt on the comparison.
  func overlap(with images: ContentHashes, of set: ImageSet) -> [String]? {
    if sets.contains(set.sha256) { return images.names }
    let found = images.names(alsoIn: knownKeys)
    return isIncomplete && !VerificationSet.isDoubtful(overlap: found.count, of: images.count) ? nil : found
  }
}

extension ContentHashes {
  /// The images that networks were compared on.
  ///
  /// - Parameters:
  ///   - folder: the path of the folder of the images.
  ///   - measurements: the comparisons, at least one; where there are several, the set is that of the size whose images
  ///     say least.
  ///   - calibrated: the images that the networks were calibrated on; `nil` where none was calibrated.
  func verification(
    _ origin: VerificationSet.Origin, of folder: String, _ measurements: [SizeMeasurement],
    _ calibrated: CalibratedImages?
  ) -> VerificationSet {
    let skipped = measurements.map(\.skipped.paths)
    let usable = filtered { path in !skipped.allSatisfy { $0.contains(ExactName(path)) } }
    let set = usable.set(of: folder)
    return VerificationSet.mostDoubtful(
      measurements.map { measurement in
        let paths = Set(measurement.compared.map { ExactName($0.path) })
        let compared = filtered { paths.contains(ExactName($0)) }
        var ownSet = set
        ownSet.duplicates = compared.duplicates
        return VerificationSet(
          origin: origin, set: ownSet, compared: compared.count,
          overlapping: calibrated.flatMap { $0.overlap(with: compared, of: set) })
      })
  }
}

extension ImageSet {
  /// The images that a calibration record names; `nil` where it names none, as those of earlier versions.
  init?(calibration record: [String: JSONValue]) {
    guard case .string(let name)? = record["folder"], case .string(let sha256)? = record["sha256"],
      case .int(let images)? = record["images"], images >= 0
    else { return nil }
    self.init(name: name, images: images, sha256: sha256)
  }
}
