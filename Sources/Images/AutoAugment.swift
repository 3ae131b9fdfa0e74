import Pixels
import Random

/// AutoAugment's policy for ImageNet (Cubuk, Zoph, Mané, Vasudevan, Le, "AutoAugment: learning augmentation policies
/// from data", CVPR 2019, appendix): one of 25 sub-policies is drawn, whose two operations are each applied with their
/// own probability, at a magnitude of 0...9.
package enum AutoAugment {
  /// One of the operations that the ImageNet policy uses.
  package enum Operation: Hashable, Sendable {
    case shearX, rotate, autocontrast, invert, equalize, solarize, posterize, contrast, color, sharpness

    /// Applies the operation at a magnitude in 0...9; `sign` is 1 or -1 and affects only the symmetric operations.
    package func apply(to image: RGBImage, magnitude: Int, sign: Double) -> RGBImage {
      let level = Double(magnitude) / 9
      return switch self {
      case .shearX: image.sheared(horizontally: sign * 0.3 * level)
      case .rotate: image.rotated(degrees: sign * 30 * level)
      case .autocontrast: image.autocontrasted()
      case .invert: image.inverted()
      case .equalize: image.equalized()
      case .solarize: image.solarized(threshold: 256 - 256 * level)
      case .posterize: image.posterized(bits: Int((8 - 4 * level).rounded(.toNearestOrEven)))
      case .contrast: image.withContrast(Float(1 + sign * 0.9 * level))
      case .color: image.withSaturation(Float(1 + sign * 0.9 * level))
      case .sharpness: image.withSharpness(Float(1 + sign * 0.9 * level))
      }
    }
  }

  /// An operation of a sub-policy.
  package struct Step: Hashable, Sendable {
    /// What is done to the image.
    package var operation: Operation
    /// The probability that the operation is applied, in 0...1.
    package var probability: Double
    /// The strength of the operation, in 0...9.
    package var magnitude: Int

    init(_ operation: Operation, _ probability: Double, _ magnitude: Int) {
      (self.operation, self.probability, self.magnitude) = (operation, probability, magnitude)
    }
  }

  /// The 25 sub-policies for ImageNet.
  package static let imageNetPolicy: [[Step]] = [
    [Step(.posterize, 0.4, 8), Step(.rotate, 0.6, 9)],
    [Step(.solarize, 0.6, 5), Step(.autocontrast, 0.6, 5)],
    [Step(.equalize, 0.8, 8), Step(.equalize, 0.6, 3)],
    [Step(.posterize, 0.6, 7), Step(.posterize, 0.6, 6)],
    [Step(.equalize, 0.4, 7), Step(.solarize, 0.2, 4)],
    [Step(.equalize, 0.4, 4), Step(.rotate, 0.8, 8)],
    [Step(.solarize, 0.6, 3), Step(.equalize, 0.6, 7)],
    [Step(.posterize, 0.8, 5), Step(.equalize, 1.0, 2)],
    [Step(.rotate, 0.2, 3), Step(.solarize, 0.6, 8)],
    [Step(.equalize, 0.6, 8), Step(.posterize, 0.4, 6)],
    [Step(.rotate, 0.8, 8), Step(.color, 0.4, 0)],
    [Step(.rotate, 0.4, 9), Step(.equalize, 0.6, 2)],
    [Step(.equalize, 0.0, 7), Step(.equalize, 0.8, 8)],
    [Step(.invert, 0.6, 4), Step(.equalize, 1.0, 8)],
    [Step(.color, 0.6, 4), Step(.contrast, 1.0, 8)],
    [Step(.rotate, 0.8, 8), Step(.color, 1.0, 2)],
    [Step(.color, 0.8, 8), Step(.solarize, 0.8, 7)],
    [Step(.sharpness, 0.4, 7), Step(.invert, 0.6, 8)],
    [Step(.shearX, 0.6, 5), Step(.equalize, 1.0, 9)],
    [Step(.color, 0.4, 0), Step(.equalize, 0.6, 3)],
    [Step(.equalize, 0.4, 7), Step(.solarize, 0.2, 4)],
    [Step(.solarize, 0.6, 5), Step(.autocontrast, 0.6, 5)],
    [Step(.invert, 0.6, 4), Step(.equalize, 1.0, 8)],
    [Step(.color, 0.6, 4), Step(.contrast, 1.0, 8)],
    [Step(.equalize, 0.8, 8), Step(.equalize, 0.6, 3)],
  ]

  /// Applies a random sub-policy.
  package static func apply(to image: RGBImage, random: inout RandomStream) -> RGBImage {
    var image = image
    for step in imageNetPolicy[random.below(imageNetPolicy.count)] where random.chance(step.probability) {
      let sign = random.chance(0.5) ? 1.0 : -1.0
      image = step.operation.apply(to: image, magnitude: step.magnitude, sign: sign)
    }
    return image
  }
}
