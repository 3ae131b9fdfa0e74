import Fidelity

/// The images that the decisions of a plan come from.
extension PlanFile {
  /// The images that the plan was calibrated on, as a set; `nil` where it does not name them.
  var calibrationSet: ImageSet? { calibration.flatMap(ImageSet.init(calibration:)) }

  /// The keys of all images that the plan comes from; `nil` where it does not keep them.
  var imageKeys: ImageKeys? { calibrationPixels.flatMap(ImageKeys.init(text:)) }

  /// Whether images are named, or decisions made that usually come from images: ranges of outputs and factors of
  /// channels.
  var comesFromImages: Bool {
    calibration != nil || calibrationPixels != nil || equalisation?.isEmpty == false
      || (layers ?? []).contains { $0.output?.scale != nil || $0.rounded?.output.scale != nil }
  }
}
