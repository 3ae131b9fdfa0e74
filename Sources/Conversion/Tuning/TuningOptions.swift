import Fidelity
import Images
import Retrieval

/// How an exponent of GeM pooling is chosen.
package struct TuningOptions: Sendable {
  /// The path of the folder of images.
  package var folder: String
  /// The maximum number of images, which are spread evenly over the sorted folder; embeddings of all of them are in
  /// memory.
  package var imageLimit = 500
  /// The number of augmented copies of each image, at least 1.
  package var copies = 3
  /// How copies are augmented; not `none`.
  package var recipe = AugmentationRecipe.full
  /// The seed of the random numbers of augmentations.
  package var seed: UInt64 = 0
  /// The exponents to try, finite and positive. The network's own is always tried, too.
  package var exponents = Self.defaultExponents
  /// What the exponent is chosen by.
  package var criterion = TuningReport.Criterion.copies

  /// From average pooling to nearly maximum pooling, each about 1.2 times the one before: what an exponent does depends
  /// on its ratio to another. MultiGrain's are from 1.6 to 4.
  package static let defaultExponents = [1, 1.2, 1.4, 1.7, 2, 2.4, 2.8, 3.4, 4, 4.8, 5.7, 6.7, 8, 10]

  /// Options with defaults.
  package init(folder: String) { self.folder = folder }
}

extension TuningReport {
  /// The choice for the settings of a conversion.
  var record: [String: JSONValue] {
    [
      "size": .int(size), "pooling_exponent": .number(exponent), "best_exponent": .number(chosen.exponent),
      "network_exponent": .number(networkExponent),
      "images": .int(measured), "copies": .int(copies), "augmentation": .string(recipe),
      "map": .orNull(point(exponent)?.map.value), "network_map": .orNull(point(networkExponent)?.map.value),
    ]
  }

  /// The choice as a sentence, for the notes of a conversion.
  var note: String {
    func shown(_ exponent: Double) -> String {
      "mAP \(shownPercent(point(exponent)?.map.value, of: preciseImages)) with p = \(shortest(exponent))"
    }
    let others = [chosen.exponent, networkExponent].first { $0 != exponent }
    return "at \(size) px, p = \(shortest(exponent)) was chosen of \(points.count) exponents by finding \(copies) "
      + "augmented copies of each of \(measured) calibration images: \(shown(exponent))"
      + (others.map { ", and \(shown($0))" } ?? "")
      + (exponent == networkExponent && others != nil ? "" : ", the network's own exponent")
  }
}

extension JSONValue {
  fileprivate static func orNull(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
}
