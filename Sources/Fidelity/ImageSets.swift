import PrintableText
import ReportRules

/// A set of images, without its location. Files that cannot be decoded are not part of it.
package struct ImageSet: Hashable, Sendable, Codable {
  /// The name of the folder, without its path.
  package var name: String
  /// The number of images.
  package var images: Int
  /// In hexadecimal: the SHA-256 of the sorted SHA-256 of the files, so that neither names nor order affect it.
  package var sha256: String

  /// The number of images with the pixels of another image before them; `nil` where there are none, or it is not known.
  /// In a `VerificationSet` it is counted among the images compared.
  package var duplicates: Int?

  package init(name: String, images: Int, sha256: String, duplicates: Int? = nil) {
    self.name = name
    self.images = images
    self.sha256 = sha256
    self.duplicates = duplicates
  }

  /// Says how many images are duplicates; `nil` without any.
  ///
  /// - Parameters:
  ///   - purpose: what the images are for.
  ///   - total: among how many images they were counted; `nil`: among all.
  func duplicatesRemark(_ purpose: String, of total: Int? = nil) -> String? {
    duplicates.map { count in
      "\(count) of \(total ?? images) \(purpose) images \(count == 1 ? "has" : "have") the pixels of another of them"
    }
  }
}

/// The images that two networks were compared on, and how they relate to the calibration images.
package struct VerificationSet: Hashable, Sendable {
  /// Where the images come from; the raw value is its name in reports.
  package enum Origin: String, Hashable, Sendable, Codable {
    /// The calibration folder, from images that were not calibrated on.
    case heldOut = "held_out"
    /// A separate folder.
    case folder
    /// The calibration images themselves.
    case calibration
  }

  /// Where the images come from.
  package var origin: Origin
  /// The images that were available, compared or not.
  package var set: ImageSet
  /// The number of images that `overlap` and the duplicates of `set` are counted among: those compared, where comparing
  /// stopped early; `nil`: all of `set`, or both counts are 0.
  package private(set) var compared: Int?
  /// The number of images compared whose pixels are those of a calibration image; `nil` where that is not known.
  package var overlap: Int?
  /// The names of the first ten of these images.
  package var overlapping: [String]

  /// - Parameters:
  ///   - set: the available images, with the duplicates among those compared.
  ///   - compared: the number of images that were compared; `nil`: all.
  ///   - overlapping: the names of all images compared whose pixels are those of a calibration image; `nil` where that
  ///     is not known.
  package init(origin: Origin, set: ImageSet, compared: Int? = nil, overlapping: [String]?) {
    self.origin = origin
    self.set = set
    let isCounted = set.duplicates != nil || !(overlapping ?? []).isEmpty
    self.compared = isCounted && compared != set.images ? compared : nil
    overlap = overlapping?.count
    self.overlapping = Array((overlapping ?? []).prefix(10))
  }

  /// The number of images that `overlap` and duplicates are counted among.
  package var comparedImages: Int { compared ?? set.images }

  /// Whether every image that was compared is a calibration image.
  package var isOfCalibration: Bool { overlap.map { $0 > 0 && $0 >= comparedImages } ?? false }

  /// Whether so many images are calibration images that the figures say little about others.
  ///
  /// - Parameters:
  ///   - overlap: how many are.
  ///   - images: how many images were compared.
  package static func isDoubtful(overlap: Int, of images: Int) -> Bool {
    ReportLimits.isDoubtful(overlap, of: images)
  }

  /// Whether so many images are calibration images that the figures say little about others.
  package var isDoubtful: Bool { overlap.map { Self.isDoubtful(overlap: $0, of: comparedImages) } ?? false }

  /// The set of several, one for each size, whose images say least about others.
  ///
  /// - Parameter sets: at least one.
  package static func mostDoubtful(_ sets: [VerificationSet]) -> VerificationSet {
    func shares(_ set: VerificationSet) -> (Double, Double) {
      let images = Double(max(set.comparedImages, 1))
      return (Double(set.overlap ?? 0) / images, Double(set.set.duplicates ?? 0) / images)
    }
    return sets.dropFirst().reduce(sets[0]) { shares($1) > shares($0) ? $1 : $0 }
  }

  /// A warning about calibration images among the verification images; `nil` without any.
  var warning: String? {
    guard let overlap, overlap > 0 else { return nil }
    if isOfCalibration {
      return "the verification images are the calibration images, on which figures are too good; give others with "
        + (origin == .folder ? "--verify-images or --images" : "--verify-images")
    }
    let examples = overlapping.first.map { ", such as \(printable($0))" } ?? ""
    return
      "\(overlap) of \(comparedImages) verification images are calibration images, too\(examples); the figures are too "
      + "good for them"
  }

  /// A warning about duplicates among the verification images; `nil` without any.
  var duplicatesWarning: String? {
    self.set.duplicatesRemark("verification", of: comparedImages).map {
      $0 + "; intervals hold for independent images, and are too narrow for these"
    }
  }
}

extension VerificationSet: Codable {
  private enum CodingKeys: String, CodingKey {
    case set, name, images, sha256, compared, duplicates, overlap, overlapping
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(origin, forKey: .set)
    try container.encode(set.name, forKey: .name)
    try container.encode(set.images, forKey: .images)
    try container.encode(set.sha256, forKey: .sha256)
    try container.encodeIfPresent(compared, forKey: .compared)
    try container.encodeIfPresent(set.duplicates, forKey: .duplicates)
    try container.encode(overlap, forKey: .overlap)
    if !overlapping.isEmpty { try container.encode(overlapping, forKey: .overlapping) }
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    origin = try container.decode(Origin.self, forKey: .set)
    set = try ImageSet(from: decoder)
    compared = try container.decodeIfPresent(Int.self, forKey: .compared)
    overlap = try container.decodeIfPresent(Int.self, forKey: .overlap)
    overlapping = try container.decodeIfPresent([String].self, forKey: .overlapping) ?? []
  }
}
