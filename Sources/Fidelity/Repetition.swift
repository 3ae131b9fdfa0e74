import ReportRules

/// Images that repeat others, and so say nothing that these do not say.
struct Repetition {
  /// How many images repeat one before them.
  let count: Int
  /// Among how many images.
  let images: Int

  /// - Returns: `nil` where the count is not known, or 0.
  init?(_ count: Int?, of images: Int) {
    guard let count, count > 0 else { return nil }
    (self.count, self.images) = (count, images)
  }

  /// From 0 to 1.
  var share: Double { Double(count) / Double(max(images, 1)) }

  /// Whether so many images repeat others that the figures say little about others.
  var isDoubtful: Bool { ReportLimits.isDoubtful(count, of: images) }
}

extension FidelityReport {
  /// The images with equal pixels, or those with equal embeddings in the float network at one of the sizes, whichever
  /// share is greater; `nil` where there are none.
  var repetition: Repetition? {
    let ofPixels = verification.flatMap { Repetition($0.set.duplicates, of: $0.comparedImages) }
    return ([ofPixels] + parts.map(\.figures.repetition)).compactMap(\.self).max { $0.share < $1.share }
  }

  /// A warning about images that are one to the float network, although their pixels differ; `nil` without any.
  var copiesWarning: String? {
    guard let most = parts.compactMap(\.figures.repetition).max(by: { $0.count < $1.count }),
      most.count > verification?.set.duplicates ?? 0
    else { return nil }
    return "\(most.count) of \(most.images) images \(most.count == 1 ? "has" : "have") exactly the float embedding of "
      + "another of them, as copies have; intervals hold for independent images, and are too narrow for these"
  }
}

extension FidelityFigures {
  /// The images with equal embeddings in the float network; `nil` where there are none, or it was not measured.
  fileprivate var repetition: Repetition? { neighbors.flatMap { Repetition($0.copies, of: $0.images) } }
}
