import Fidelity
import FoundationEssentials
import Retrieval

/// How a network is to be whitened.
package struct WhiteningOptions: Sendable {
  /// The path of the folder with the images to learn from.
  package var folder: String
  /// The number of elements of a whitened embedding; `nil`: all.
  package var dimensions: Int?
  /// The smallest variance as a share of the largest; `nil`: by the number of images (see `Whitening`).
  package var varianceFloor: Double?
  /// What was learned, for reports; `nil` until it is.
  package var record: [String: JSONValue]?

  /// Options with defaults.
  package init(folder: String, dimensions: Int? = nil, varianceFloor: Double? = nil) {
    self.folder = folder
    self.dimensions = dimensions
    self.varianceFloor = varianceFloor
  }
}

/// On which images, and by what, mean average precision is measured by the dimensions of whitened embeddings.
package struct PrecisionOptions: Sendable {
  /// The path of the folder with the images; `nil`: those that the whitening is learned from.
  package var folder: String?
  /// What images are to find; `nil`: classes where the images have any, and copies otherwise.
  package var criterion: TuningReport.Criterion?

  /// Options with defaults.
  package init(folder: String? = nil, criterion: TuningReport.Criterion? = nil) {
    (self.folder, self.criterion) = (folder, criterion)
  }
}

/// What a whitening was learned from, and its figures.
package struct WhiteningFigures: Sendable {
  /// The images that it was learned from.
  package let images: ImageSet
  /// How many images were left out.
  package let skippedCount: Int
  /// The names of images whose content equals that of an earlier one, which count once.
  package let repeated: [String]
  /// The number of different images that it was learned from.
  package let learnedCount: Int
  /// The number of elements of the vectors that are whitened: the channels of the trunk's map, and a constant.
  package let vectorDimension: Int
  /// The number of elements of a whitened embedding.
  package let dimensions: Int
  /// The share of the variance of the vectors that the embedding has.
  package let varianceShare: Double
  /// The smallest variance as a share of the largest.
  package let floor: Double
  /// The number of directions, of those in the embedding, whose variance is raised to the floor.
  package let raisedCount: Int
  /// The side of images in pixels.
  package let size: Int
  /// The exponent of GeM pooling.
  package let poolingExponent: Double
  /// Whether logits are divided by the norm of each image's pooled vector, which keeps their order.
  package let dividesLogits: Bool
  /// The number of images that logits were compared on with those of the network before, and the largest difference
  /// except for the factor of each image, relative to the largest logit; `nil` without a classifier.
  package let logitsCheck: (images: Int, difference: Double)?

  /// Sentences for reports.
  package var notes: [String] {
    var notes = [
      "embeddings are whitened, as learned from \(learnedCount) images of '\(images.name)' at \(size) px with p = "
        + "\(poolingExponent): \(dimensions) of \(vectorDimension) dimensions"
        + (dimensions < vectorDimension ? ", with \(Self.percent(varianceShare)) of the variance" : "")
    ]
    if raisedCount > 0 {
      notes.append(
        (learnedCount <= vectorDimension
          ? "there are fewer images than dimensions, so that whitening is shrunk: " : "")
          + "the variance of \(raisedCount) of the \(dimensions) dimensions is raised to \(Self.percent(floor)) of the "
          + "largest")
    }
    if let first = repeated.first {
      notes.append(
        "\(repeated.count) image\(repeated.count == 1 ? "" : "s") to learn from, such as \(first), "
          + "\(repeated.count == 1 ? "repeats another and is" : "repeat others and are") left out")
    }
    if dividesLogits {
      notes.append("the logits of each image are divided by the norm of its pooled vector, which keeps their order")
    }
    return notes
  }

  /// The figures by name, for settings and JSON.
  package var record: [String: JSONValue] {
    var record: [String: JSONValue] = [
      "folder": .string(images.name), "images": .int(images.images), "sha256": .string(images.sha256),
      "size": .int(size), "pooling_exponent": .number(poolingExponent), "vector_dimension": .int(vectorDimension),
      "dimensions": .int(dimensions), "variance_share": .number(varianceShare), "variance_floor": .number(floor),
      "raised_dimensions": .int(raisedCount),
    ]
    if let logitsCheck { record["logits_difference"] = .number(logitsCheck.difference) }
    return record
  }

  /// The record as JSON, which is stored with the checkpoint.
  var json: String { get throws { try Self.json(.object(record)) } }

  /// A record as JSON, the same for records that are equal.
  static func json(_ record: JSONValue) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(record), as: UTF8.self)
  }

  private static func percent(_ share: Double) -> String {
    let percent = share * 100
    guard percent < 0.01 else { return "\((percent * 100).rounded() / 100) %" }
    // One digit, so that a share of a rounding error reads as 1e-8 %.
    var (digits, exponent) = (percent, 0)
    while digits > 0, digits < 0.95 { (digits, exponent) = (digits * 10, exponent + 1) }
    return "\(Int(digits.rounded()))e-\(exponent) %"
  }
}
