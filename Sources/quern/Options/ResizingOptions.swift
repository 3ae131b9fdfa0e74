import ArgumentParser
import Conversion
import Images
import Pixels

extension ArgumentHelp {
  static let crop = ArgumentHelp(
    "square: resize the short side to the size divided by the crop ratio, then crop the centre. rect: resize the long "
      + "side to the size, and crop nothing. (default: the package's crop, or square)",
    valueName: "square|rect")
}

/// How images are resized. Options that are not given have the value of the package, or the default.
struct ResizingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The filter for resizing images, as in Pillow with antialiasing: bilinear, bicubic or lanczos. (default: the "
        + "package's filter, or bilinear)", valueName: "filter"))
  var resize: ResizeFilter?

  @Option(
    help: ArgumentHelp(
      "The share of the resized image's short side that a square crop keeps, as a number or a fraction of pixels: 0.95 "
        + "or 224/232. (default: the package's ratio, or 224/256)", valueName: "ratio"))
  var cropRatio: CropRatio?

  @Option(
    help: ArgumentHelp(
      "Refuse images of more than this number of pixels, width times height. (default: \(DecodingLimits.defaultPixels), "
        + "and above \(DecodingLimits.freePixels) at most \(DecodingLimits.pixelsPerByte) for each byte of the file. No "
        + "side may have more than \(DecodingLimits.side) pixels, and no JPEG more than \(DecodingLimits.scans) scans. "
        + "All threads together decode at most \(DecodingReservation.limit >> 20) MiB at a time, or one image.)",
      valueName: "n"),
    transform: wholeNumber(1...Int.max))
  var maxImagePixels: Int?

  @Flag(
    help: ArgumentHelp(
      "Turn images upright as their EXIF data say, as Pillow's ImageOps.exif_transpose does. Otherwise they are used as "
        + "they are stored, as by most code for training."))
  var exifOrientation = false

  mutating func validate() throws {
    // Images are decoded in many places of a run, in one way.
    if let maxImagePixels { DecodingLimits.setPixelLimit(maxImagePixels) }
    if exifOrientation { EXIFOrientation.apply() }
  }

  func request(sizes: [ResolutionRequest.Size], crop: CropProtocol?) -> ResolutionRequest {
    ResolutionRequest(sizes: sizes, crop: crop, filter: resize, cropRatio: cropRatio?.value)
  }
}

extension ResizeFilter: ExpressibleByArgument {}
extension CropProtocol: ExpressibleByArgument {}

/// A crop ratio: "0.95", or "224/232" to keep 224 of 232 pixels.
struct CropRatio: ExpressibleByArgument {
  let value: Double

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    var ratio: Double
    if parts.count == 2, let part = Int(parts[0]), let whole = Int(parts[1]), part > 0, part <= whole, whole <= 1 << 20
    {
      ratio = Double(part) / Double(whole)
      // `EvaluationProtocol` truncates the quotient, which must not lose a pixel of the fraction itself.
      while Int(Double(part) / ratio) < whole { ratio = ratio.nextDown }
    } else if parts.count == 1, let number = Double(argument) {
      ratio = number
    } else {
      return nil
    }
    guard EvaluationProtocol.cropRatios.contains(ratio) else { return nil }
    value = ratio
  }
}
