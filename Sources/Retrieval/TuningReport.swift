import Fidelity

/// How good each exponent of GeM pooling is at one size, and which one is chosen.
package struct TuningReport: Sendable {
  /// The schema of the JSON form (formats/tune.md).
  package static let schema = "quern.tune/1"

  /// What an exponent is chosen by; the raw value is the name in reports and options.
  package enum Criterion: String, Hashable, Sendable, CaseIterable {
    /// Mean average precision of finding the copies of an image, which needs no labels.
    case copies
    /// Cross-entropy of the classifier.
    case classes
  }

  /// The figures of one exponent.
  package struct Point: Hashable, Sendable {
    package let exponent: Double
    /// Mean average precision by trapezoids of finding the copies of an image by one another, in percent.
    package let map: Estimate
    /// Mean cross-entropy of labelled images in nats; `nil` where classes were not measured.
    package let crossEntropy: Estimate?
    /// Top-1 accuracy of labelled images in percent; `nil` where classes were not measured.
    package let top1: Estimate?

    package init(exponent: Double, map: Estimate, crossEntropy: Estimate?, top1: Estimate?) {
      (self.exponent, self.map, self.crossEntropy, self.top1) = (exponent, map, crossEntropy, top1)
    }
  }

  /// The path of the checkpoint, as it was given.
  package let checkpoint: String
  /// The images.
  package let images: ImageSet
  /// The side of images in pixels, and how they become inputs, such as "64 px, square".
  package let size: Int, input: String
  /// The number of images that were measured, that of augmented copies of each, and the recipe of these.
  package let measured: Int, copies: Int, recipe: String
  /// The number of measured images with a class of the classifier.
  package let labelled: Int
  /// The exponent that the network has itself.
  package let networkExponent: Double
  /// Ascending by exponent; at least one.
  package let points: [Point]
  /// The choice by copies; scores are in percent.
  package let byCopies: ExponentChoice
  /// The choice by classes; scores are the negative cross-entropy. `nil` where classes were not measured.
  package let byClasses: ExponentChoice?
  /// Which of the choices counts.
  package let criterion: Criterion
  /// What puts the choice in doubt, a sentence each.
  package var warnings: [String] = []
  /// What was assumed because the checkpoint does not state it, a sentence each.
  package var assumptions: [String] = []
  /// What was decided about the images and the labels, a sentence each.
  package var notes: [String] = []
  package var toolVersion: String?

  /// - Parameter byClasses: not `nil` where the criterion is `classes`.
  package init(
    checkpoint: String, images: ImageSet, size: Int, input: String, measured: Int, copies: Int, recipe: String,
    labelled: Int, networkExponent: Double, points: [Point], byCopies: ExponentChoice, byClasses: ExponentChoice?,
    criterion: Criterion
  ) {
    precondition(criterion == .copies || byClasses != nil, "classes were measured")
    (self.checkpoint, self.images, self.size, self.input) = (checkpoint, images, size, input)
    (self.measured, self.copies, self.recipe, self.labelled) = (measured, copies, recipe, labelled)
    (self.networkExponent, self.points, self.byCopies, self.byClasses) = (networkExponent, points, byCopies, byClasses)
    self.criterion = criterion
    let choice = chosen
    // At 1, pooling is averaging: an end that means something.
    if choice.isAtEnd, choice.exponent != 1, exponent == choice.exponent {
      warnings.append(
        "p = \(shortest(choice.exponent)) is the \(choice.exponent == points.first?.exponent ? "smallest" : "greatest") "
          + "exponent that was tried, and others beyond it may be better")
    }
    if choice.exponent != networkExponent, !choice.isGain {
      notes.append(
        "the network's own p = \(shortest(networkExponent)) is kept: on images that had no part in the choice, nothing "
          + "is gained for certain by p = \(shortest(choice.exponent))")
    }
  }

  /// The choice by the criterion.
  package var chosen: ExponentChoice {
    if case .classes = criterion, let byClasses { return byClasses }
    return byCopies
  }

  /// The exponent to use: the best one if it is certain to gain something, and the network's own otherwise.
  package var exponent: Double { chosen.isGain ? chosen.exponent : networkExponent }

  /// The value of `--size` that uses the exponent, such as "500:3.4".
  package var option: String { "\(size):\(shortest(exponent))" }

  /// The figures of an exponent.
  package func point(_ exponent: Double) -> Point? { points.first { $0.exponent == exponent } }
}
