import PrintableText

/// A set of images, without its location.
package struct ImageSet: Hashable, Sendable, Codable {
  /// The name of the folder, without its path.
  package var name: String
  /// The number of images.
  package var images: Int
  /// In hexadecimal: the SHA-256 of the sorted SHA-256 of the files, so that neither names nor order affect it.
  package var sha256: String

  /// The number of images with the pixels of another image before them; `nil` where there are none, or it is not known.
  package var duplicates: Int?

  package init(name: String, images: Int, sha256: String, duplicates: Int? = nil) {
    self.name = name
    self.images = images
    self.sha256 = sha256
    self.duplicates = duplicates
  }

  /// Says how many images are duplicates; `nil` without any.
  ///
  /// - Parameter purpose: what the images are for.
  func duplicatesRemark(_ purpose: String) -> String? {
    duplicates.map { count in
      "\(count) of \(images) \(purpose) images \(count == 1 ? "has" : "have") the pixels of another of them"
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
  /// The images.
  package var set: ImageSet
  /// The number of images whose pixels are those of a calibration image; `nil` where that is not known.
  package var overlap: Int?
  /// The names of the first ten of these images.
  package var overlapping: [String]

  /// - Parameter overlapping: the names of all images whose pixels are those of a calibration image; `nil` where that
  ///   is not known.
  package init(origin: Origin, set: ImageSet, overlapping: [String]?) {
    self.origin = origin
    self.set = set
    overlap = overlapping?.count
    self.overlapping = Array((overlapping ?? []).prefix(10))
  }

  /// The largest share of images that may be calibration images: with more, an agreement of 95 % could be that much too
  /// high.
  static let maxOverlap = 0.05

  /// Whether so many images are calibration images that the figures say little about others.
  package var isDoubtful: Bool {
    overlap.map { Double($0) > Self.maxOverlap * Double(set.images) } ?? false
  }

  /// A warning about calibration images among the verification images; `nil` without any.
  var warning: String? {
    guard let overlap, overlap > 0 else { return nil }
    if overlap >= set.images {
      return "the verification images are the calibration images, on which figures are too good; give others with "
        + (origin == .folder ? "--verify-images or --images" : "--verify-images")
    }
    let examples = overlapping.first.map { ", such as \(printable($0))" } ?? ""
    return
      "\(overlap) of \(set.images) verification images are calibration images, too\(examples); the figures are too "
      + "good for them"
  }

  /// A warning about duplicates among the verification images; `nil` without any.
  var duplicatesWarning: String? {
    self.set.duplicatesRemark("verification").map {
      $0 + "; intervals hold for independent images, and are too narrow for these"
    }
  }
}

extension VerificationSet: Codable {
  private enum CodingKeys: String, CodingKey {
    case set, name, images, sha256, duplicates, overlap, overlapping
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(origin, forKey: .set)
    try container.encode(set.name, forKey: .name)
    try container.encode(set.images, forKey: .images)
    try container.encode(set.sha256, forKey: .sha256)
    try container.encodeIfPresent(set.duplicates, forKey: .duplicates)
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
