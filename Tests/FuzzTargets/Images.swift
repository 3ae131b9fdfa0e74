import Images
import Pixels

extension FuzzTarget {
  /// Decoders of images, and the arithmetic of resizing and augmentation.
  static let images: [FuzzTarget] = [
    FuzzTarget("jpeg", seeds: ["images/*.jpg"], parse: decode),
    FuzzTarget("png", seeds: ["images/*.png"], words: ["IHDR", "PLTE", "IDAT", "tRNS", "gAMA", "IEND"], parse: decode),
    FuzzTarget(
      "webp", seeds: ["images/*.webp"], words: ["RIFF", "WEBP", "VP8 ", "VP8L", "VP8X", "ALPH"], parse: decode),
    FuzzTarget("image-kind", words: ["RIFF", "WEBP", "VP8 ", "ftypavif", "GIF89a", "BM", "II*\0"], byteLimit: 64) {
      try decode($0)
    },
    FuzzTarget("resizing", byteLimit: 64) { input in
      var numbers = Numbers(input.bytes)
      let (width, height) = (1 + numbers.below(40), 1 + numbers.below(40))
      let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* 73) }
      let image = RGBImage(width: width, height: height, checked: pixels)
      let filter = ResizeFilter.allCases[numbers.below(ResizeFilter.allCases.count)]
      let box = SampleBox(left: numbers.float(), top: numbers.float(), right: numbers.float(), bottom: numbers.float())
      let rect = PixelRect(
        x: numbers.integer(), y: numbers.integer(), width: numbers.integer(), height: numbers.integer())
      _ = try? image.resized(width: 1 + numbers.below(64), height: numbers.below(64), box: box, filter: filter)
      _ = try? image.resized(width: numbers.below(64), height: 1 + numbers.below(64), cropping: rect, filter: filter)
      let evaluation = try EvaluationProtocol(
        crop: numbers.below(2) == 0 ? .square : .rect, size: numbers.below(80), filter: filter,
        cropRatio: numbers.double())
      _ = try? evaluation.geometry(width: numbers.integer(), height: numbers.integer())
      _ = try evaluation.apply(to: image)
    },
    FuzzTarget("augmentation", byteLimit: 64) { input in
      var numbers = Numbers(input.bytes)
      let (width, height) = (1 + numbers.below(40), 1 + numbers.below(40))
      let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* numbers.below(256)) }
      let image = RGBImage(width: width, height: height, checked: pixels)
      let recipe = AugmentationRecipe.allCases[numbers.below(AugmentationRecipe.allCases.count)]
      let evaluation = try EvaluationProtocol(crop: numbers.below(2) == 0 ? .square : .rect, size: numbers.below(40))
      let augmentation = Augmentation(
        recipe: recipe, evaluation: evaluation, seed: UInt64(truncatingIfNeeded: numbers.integer()))
      _ = try augmentation.copy(numbers.below(4), of: image, imageKey: UInt64(truncatingIfNeeded: numbers.integer()))
    },
  ]

  /// Images of more pixels are refused, so that decoding takes little time.
  private static let limits = DecodingLimits(maximumPixels: 1 << 16)

  private static let decode: @Sendable (FuzzInput) throws -> Void = { input in
    let image = try RGBImage(decoding: input.bytes, limits: limits, turnsUpright: true)
    precondition(image.pixels.count == image.width * image.height * 3, "three bytes for each pixel")
  }
}

/// Takes numbers from bytes, and zeros at their end.
private struct Numbers {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  private mutating func next(_ count: Int) -> UInt64 {
    var value: UInt64 = 0
    for _ in 0..<count {
      value = value << 8 | (position < bytes.count ? UInt64(bytes[position]) : 0)
      position += 1
    }
    return value
  }

  mutating func below(_ limit: Int) -> Int { Int(next(1)) % limit }

  /// Small in most cases.
  mutating func integer() -> Int {
    let kind = next(1)
    return kind < 224 ? Int(Int8(truncatingIfNeeded: kind)) & 63 : Int(truncatingIfNeeded: next(8))
  }

  mutating func float() -> Float {
    let kind = next(1)
    return kind < 192 ? Float(kind) / 4 : Float(bitPattern: UInt32(truncatingIfNeeded: next(4)))
  }

  mutating func double() -> Double {
    let kind = next(1)
    return kind < 192 ? Double(kind) / 128 : Double(bitPattern: next(8))
  }
}
