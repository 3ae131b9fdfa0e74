/// A set of images, without where it lies.
package struct ImageSet: Hashable, Sendable, Codable {
  /// The folder's own name.
  package var name: String
  package var images: Int
  /// In hexadecimal: of the sorted SHA-256 of the files, so that neither names nor order have a part in it.
  package var sha256: String

  package init(name: String, images: Int, sha256: String) {
    self.name = name
    self.images = images
    self.sha256 = sha256
  }
}

/// The images that two networks were compared on, and what they have to do with those of calibration.
package struct VerificationSet: Hashable, Sendable {
  package enum Origin: String, Hashable, Sendable, Codable {
    /// Of the calibration folder, not calibrated on.
    case heldOut = "held_out"
    /// A folder of their own.
    case folder
    /// Those of calibration themselves.
    case calibration
  }

  package var origin: Origin
  package var set: ImageSet
  /// Images whose content is that of a calibration image; `nil` where that cannot be told.
  package var overlap: Int?
  /// The names of the first of them, at most ten.
  package var overlapping: [String]

  /// - Parameter overlapping: the names of all images that are calibration images, too; `nil` where that cannot be told.
  package init(origin: Origin, set: ImageSet, overlapping: [String]?) {
    self.origin = origin
    self.set = set
    overlap = overlapping?.count
    self.overlapping = Array((overlapping ?? []).prefix(10))
  }

  /// More of the images than this may not be those of calibration: by so many could an agreement of 95 % be too good.
  static let maxOverlap = 0.05

  /// Whether so many are calibration images that the figures say little about others.
  package var isDoubtful: Bool {
    overlap.map { Double($0) > Self.maxOverlap * Double(set.images) } ?? false
  }

  /// What a reader should know; `nil` where no image is one of calibration.
  var warning: String? {
    guard let overlap, overlap > 0 else { return nil }
    if overlap >= set.images {
      return "the images of verification are those of calibration, on which figures are too good; give others by "
        + (origin == .folder ? "--verify-images or --images" : "--verify-images")
    }
    let examples = overlapping.first.map { ", such as \(printable($0))" } ?? ""
    return
      "\(overlap) of \(set.images) verification images are calibration images, too\(examples); the figures are too good "
      + "for them"
  }
}

extension VerificationSet: Codable {
  private enum CodingKeys: String, CodingKey {
    case set, name, images, sha256, overlap, overlapping
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(origin, forKey: .set)
    try container.encode(set.name, forKey: .name)
    try container.encode(set.images, forKey: .images)
    try container.encode(set.sha256, forKey: .sha256)
    try container.encode(overlap, forKey: .overlap)
    if !overlapping.isEmpty { try container.encode(overlapping, forKey: .overlapping) }
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    origin = try container.decode(Origin.self, forKey: .set)
    set = try ImageSet(from: decoder)
    overlap = try container.decodeIfPresent(Int.self, forKey: .overlap)
    overlapping = try container.decodeIfPresent([String].self, forKey: .overlapping) ?? []
  }
}
