import Glibc
import Pixels
import Random

/// MultiGrain's training augmentations (Berman et al., arXiv 1902.05509), by the names of the released recipes.
package enum AugmentationRecipe: String, Hashable, Sendable, CaseIterable {
  /// Random resized crop, flip, colour jitter 0.3, lighting 0.1.
  case full
  /// Random resized crop, flip, colour jitter 0.2, lighting 0.1.
  case senet
  /// Random resized crop, flip.
  case torch
  /// Random resized crop, flip, AutoAugment's ImageNet policy.
  case autoAugment = "AA"
  /// The evaluation protocol without random changes.
  case none

  /// How far the factors of brightness, contrast and saturation may deviate from 1; `nil` for recipes without jitter.
  var colorJitter: Double? {
    switch self {
    case .full: 0.3
    case .senet: 0.2
    case .torch, .autoAugment, .none: nil
    }
  }
}

/// Makes randomly augmented copies of images, reproducibly.
///
/// An augmented image has 8-bit pixels, as a quantised network reads them, and is `size` by `size` whatever the crop
/// protocol, since augmentation crops squares. Colour jitter and AutoAugment work on 8-bit pixels in training, too;
/// lighting does not, so its result is rounded to the nearest 8-bit values.
package struct Augmentation: Hashable, Sendable {
  /// The random changes to make.
  package let recipe: AugmentationRecipe
  /// Gives the size and the filter; with the recipe `none`, all of the preprocessing.
  package let evaluation: EvaluationProtocol
  /// The seed of all random draws.
  package let seed: UInt64

  package init(recipe: AugmentationRecipe, evaluation: EvaluationProtocol, seed: UInt64) {
    self.recipe = recipe
    self.evaluation = evaluation
    self.seed = seed
  }

  /// One of the copies of an image to calibrate on. The first is as in evaluation, so that ranges fit the images that
  /// the network will see; the others are augmented, so that they also fit images unlike those of calibration.
  ///
  /// - Parameters:
  ///   - number: the number of the copy, from 0.
  ///   - imageKey: what identifies the image, such as `ImageFile.key(ofContent:)`.
  /// - Throws: `ImageError.invalidGeometry` for an image that cannot be resized.
  package func copy(_ number: Int, of image: RGBImage, imageKey: UInt64) throws(ImageError) -> RGBImage {
    number == 0
      ? try evaluation.apply(to: image) : try apply(to: image, imageKey: imageKey, repetition: number)
  }

  /// One augmented copy, fixed by the seed, the key and the repetition.
  ///
  /// - Parameters:
  ///   - imageKey: what identifies the image, such as `ImageFile.key(ofContent:)`.
  ///   - repetition: the number of the copy, from 0.
  /// - Throws: `ImageError.invalidGeometry` for an image that cannot be resized.
  package func apply(to image: RGBImage, imageKey: UInt64, repetition: Int) throws(ImageError) -> RGBImage {
    guard recipe != .none else { return try evaluation.apply(to: image) }
    var random = RandomStream(
      seed: seed, imageKey: imageKey, repetition: UInt32(truncatingIfNeeded: repetition))
    let crop = RandomResizedCrop.draw(width: image.width, height: image.height, random: &random)
    var augmented = try image.resized(
      width: evaluation.size, height: evaluation.size, cropping: crop, filter: evaluation.filter)
    if random.chance(0.5) { augmented = augmented.flippedHorizontally() }
    if recipe == .autoAugment { augmented = AutoAugment.apply(to: augmented, random: &random) }
    if let strength = recipe.colorJitter {
      augmented = ColorJitter.apply(to: augmented, strength: strength, random: &random)
      augmented = Lighting.apply(to: augmented, random: &random)
    }
    return augmented
  }
}

/// A crop of random area and aspect ratio, drawn as by torchvision's RandomResizedCrop.
package enum RandomResizedCrop {
  /// The range of the crop's share of the image's area.
  static let scale = 0.08...1.0
  /// The range of width / height, whose logarithm is uniform.
  static let ratio = 3.0 / 4.0...4.0 / 3.0

  /// Draws a crop of an image of `width` by `height` pixels, which are positive. After ten crops that do not fit, the
  /// result is `centralCrop(width:height:)`.
  package static func draw(width: Int, height: Int, random: inout RandomStream) -> PixelRect {
    let logarithms = log(ratio.lowerBound)...log(ratio.upperBound)
    for _ in 0..<10 {
      let area = Double(width) * Double(height) * random.uniform(scale)
      let aspect = exp(random.uniform(logarithms))
      let cropWidth = Int((area * aspect).squareRoot().rounded(.toNearestOrEven))
      let cropHeight = Int((area / aspect).squareRoot().rounded(.toNearestOrEven))
      if (1...width).contains(cropWidth), (1...height).contains(cropHeight) {
        let y = random.below(height - cropHeight + 1)
        let x = random.below(width - cropWidth + 1)
        return PixelRect(x: x, y: y, width: cropWidth, height: cropHeight)
      }
    }
    return centralCrop(width: width, height: height)
  }

  /// The largest central crop whose aspect ratio is in range.
  package static func centralCrop(width: Int, height: Int) -> PixelRect {
    var (cropWidth, cropHeight) = (width, height)
    let aspect = Double(width) / Double(height)
    if aspect < ratio.lowerBound {
      cropHeight = Int((Double(width) / ratio.lowerBound).rounded(.toNearestOrEven))
    } else if aspect > ratio.upperBound {
      cropWidth = Int((Double(height) * ratio.upperBound).rounded(.toNearestOrEven))
    }
    return PixelRect(
      x: (width - cropWidth) / 2, y: (height - cropHeight) / 2, width: cropWidth, height: cropHeight)
  }
}

/// Brightness, contrast and saturation changed in random order, each by a factor uniform in 1 ± strength, as
/// torchvision's ColorJitter changes 8-bit images.
package enum ColorJitter {
  /// One of the changes, in the order that is shuffled.
  package enum Change: CaseIterable { case brightness, contrast, saturation }

  /// - Parameter strength: how far a factor may deviate from 1, in 0...1.
  package static func apply(to image: RGBImage, strength: Double, random: inout RandomStream) -> RGBImage {
    var image = image
    for change in random.shuffled(Change.allCases) {
      let factor = Float(random.uniform(1 - strength...1 + strength))
      switch change {
      case .brightness: image = image.withBrightness(factor)
      case .contrast: image = image.withContrast(factor)
      case .saturation: image = image.withSaturation(factor)
      }
    }
    return image
  }
}

/// Noise along the principal components of ImageNet's colours (Krizhevsky, Sutskever, Hinton, NIPS 2012), as in
/// MultiGrain: `(value + shift) / (1 + deviation)` on values in 0...1, clamped to 0...1.
package enum Lighting {
  static let deviation = 0.1
  static let eigenvalues = [0.2175, 0.0188, 0.0045]
  /// One row for each channel, one column for each component.
  static let eigenvectors = [
    [-0.5675, 0.7192, 0.4009],
    [-0.5808, -0.0045, -0.8140],
    [-0.5836, -0.6948, 0.4203],
  ]

  /// Shifts the colours by a random multiple of each principal component.
  package static func apply(to image: RGBImage, random: inout RandomStream) -> RGBImage {
    let weights = eigenvalues.map { $0 * deviation * random.nextNormal() }
    return apply(to: image, shifts: eigenvectors.map { row in zip(row, weights).reduce(0) { $0 + $1.0 * $1.1 } })
  }

  /// Shifts the colours by given amounts.
  ///
  /// - Parameter shifts: three numbers, which are added to red, green and blue, in units of the full range.
  package static func apply(to image: RGBImage, shifts: [Double]) -> RGBImage {
    let tables = shifts.map { shift in
      (0...255).map { value in
        let lit = (Double(value) / 255 + shift) / (1 + deviation)
        return UInt8((min(max(lit, 0), 1) * 255).rounded())
      }
    }
    return image.mapped(tables[0], tables[1], tables[2])
  }
}
