import Pixels
import Testing

@Suite struct ResizingTests {
  @Test(arguments: try Fixtures.table("resized.tsv"))
  func pixelsArePillows(row: [String]) throws {
    let sizes = row[..<4].compactMap { Int($0) }
    let image = try Fixtures.synthetic(sizes[0], sizes[1])
    let part = row[4].split(separator: " ")
    let numbers = part.dropFirst().compactMap { Float(String($0)) }
    let resized =
      switch part.first {
      case "box":
        try image.resized(
          width: sizes[2], height: sizes[3],
          box: SampleBox(left: numbers[0], top: numbers[1], right: numbers[2], bottom: numbers[3]))
      case "crop":
        try image.resized(
          width: sizes[2], height: sizes[3],
          cropping: PixelRect(
            x: Int(numbers[0]), y: Int(numbers[1]), width: Int(numbers[2]), height: Int(numbers[3])))
      default: try image.resized(width: sizes[2], height: sizes[3])
      }
    #expect(resized.width == sizes[2])
    #expect(resized.height == sizes[3])
    #expect(resized.crc == row[5])
  }

  /// Bicubic and Lanczos on noise, and on black and white, where they overshoot.
  @Test(arguments: try Fixtures.table("filters.tsv"))
  func filtersArePillows(row: [String]) throws {
    let filter = try #require(ResizeFilter(rawValue: row[0]))
    let numbers = row[1..<6].compactMap { Int($0) }
    let (threshold, width, height) = (numbers[0], numbers[3], numbers[4])
    var image = try Fixtures.synthetic(numbers[1], numbers[2])
    if threshold > 0 {
      image = try #require(
        RGBImage(width: image.width, height: image.height, pixels: image.pixels.map { $0 >= threshold ? 255 : 0 }))
    }
    let part = row[6].split(separator: " ").map(String.init)
    let resized: RGBImage
    switch part[0] {
    case "box":
      let box = part.dropFirst().compactMap { Float($0) }
      resized = try image.resized(
        width: width, height: height, box: SampleBox(left: box[0], top: box[1], right: box[2], bottom: box[3]),
        filter: filter)
    case "crop":
      let crop = part.dropFirst().compactMap { Int($0) }
      resized = try image.resized(
        width: width, height: height, cropping: PixelRect(x: crop[0], y: crop[1], width: crop[2], height: crop[3]),
        filter: filter)
    default: resized = try image.resized(width: width, height: height, filter: filter)
    }
    #expect(resized.crc == row[7])
  }

  @Test func cropIsResizedAsIfItWereAPicture() throws {
    let seed: UInt64 = 31
    var random = SplitMix64(state: seed)
    let image = try Fixtures.synthetic(53, 71)
    for _ in 0..<200 {
      let width = Int.random(in: 1...53, using: &random)
      let height = Int.random(in: 1...71, using: &random)
      let rect = PixelRect(
        x: Int.random(in: 0...53 - width, using: &random), y: Int.random(in: 0...71 - height, using: &random),
        width: width, height: height)
      let (outWidth, outHeight) = (Int.random(in: 1...60, using: &random), Int.random(in: 1...60, using: &random))
      let direct = try image.resized(width: outWidth, height: outHeight, cropping: rect)
      let inSteps = try image.cropped(to: rect).resized(width: outWidth, height: outHeight)
      #expect(direct == inSteps, "\(rect) to \(outWidth)x\(outHeight), seed \(seed)")
    }
  }

  @Test func impossibleSizesAreRefused() throws {
    let image = try Fixtures.synthetic(5, 4)
    for (width, height) in [(0, 3), (3, 0), (-1, 3), (8193, 3), (3, Int.max)] {
      #expect(throws: ImageError.self) { try image.resized(width: width, height: height) }
    }
    for rect in [
      PixelRect(x: 0, y: 0, width: 6, height: 1), PixelRect(x: -1, y: 0, width: 2, height: 2),
      PixelRect(x: 4, y: 3, width: 0, height: 1), PixelRect(x: Int.max, y: 0, width: 1, height: 1),
      PixelRect(x: 0, y: 1, width: 1, height: Int.max),
    ] {
      #expect(throws: ImageError.self) { try image.cropped(to: rect) }
      #expect(throws: ImageError.self) { try image.resized(width: 1, height: 1, cropping: rect) }
    }
    for box in [
      SampleBox(left: 0, top: 0, right: 5.5, bottom: 4), SampleBox(left: 2, top: 0, right: 2, bottom: 4),
      SampleBox(left: -0.1, top: 0, right: 2, bottom: 4), SampleBox(left: .nan, top: 0, right: 2, bottom: 4),
      SampleBox(left: 0, top: 0, right: .infinity, bottom: 4),
    ] {
      #expect(throws: ImageError.self) { try image.resized(width: 1, height: 1, box: box) }
    }
  }

  @Test func sizeAndPixelsMustAgree() {
    #expect(RGBImage(width: 2, height: 1, pixels: [1, 2, 3, 4, 5, 6]) != nil)
    #expect(RGBImage(width: 2, height: 1, pixels: [1, 2, 3, 4, 5]) == nil)
    #expect(RGBImage(width: 0, height: 1, pixels: []) == nil)
    #expect(RGBImage(width: -1, height: -2, pixels: [1, 2, 3, 4, 5, 6]) == nil)
    #expect(RGBImage(width: .max, height: .max, pixels: [1, 2, 3]) == nil)
  }
}

@Suite struct EvaluationProtocolTests {
  @Test(arguments: try Fixtures.table("protocols.tsv"))
  func outcomesAreThePublishedPreprocessings(row: [String]) throws {
    let crop = try #require(CropProtocol(rawValue: row[2]))
    let numbers = row.map { Int($0) ?? 0 }
    let image = try Fixtures.synthetic(numbers[0], numbers[1])
    let evaluation = try EvaluationProtocol(crop: crop, size: numbers[3])
    guard row[6] != "error" else {
      #expect(throws: ImageError.self) { try evaluation.apply(to: image) }
      return
    }
    let outcome = try evaluation.apply(to: image)
    #expect(outcome.width == numbers[4])
    #expect(outcome.height == numbers[5])
    #expect(outcome.crc == row[6])
    #expect(try evaluation.outputSize(width: image.width, height: image.height) == (numbers[4], numbers[5]))
  }

  @Test(arguments: try Fixtures.table("ratios.tsv"))
  func cropRatiosAreThoseOfTimm(row: [String]) throws {
    let (width, height) = (try #require(Int(row[0])), try #require(Int(row[1])))
    let evaluation = try EvaluationProtocol(
      crop: .square, size: try #require(Int(row[2])), filter: try #require(ResizeFilter(rawValue: row[4])),
      cropRatio: try #require(Double(row[3])))
    #expect(try evaluation.apply(to: try Fixtures.synthetic(width, height)).crc == row[5])
  }

  @Test(arguments: [0, 0.09, 1.01, -1, .nan, .infinity])
  func impossibleRatiosAreRefused(ratio: Double) {
    #expect(throws: ImageError.self) { try EvaluationProtocol(crop: .square, size: 224, cropRatio: ratio) }
  }

  @Test(arguments: [0, -1, 8193, Int.max, Int.min])
  func impossibleSizesAreRefused(size: Int) {
    #expect(throws: ImageError.self) { try EvaluationProtocol(crop: .square, size: size) }
  }

  /// Pillow would need 60 GB for the resized picture on the way to this crop; only the crop is computed here.
  @Test func extremelyLongPictureIsCropped() throws {
    let image = try #require(
      RGBImage(width: 100_000, height: 1, pixels: (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 3) }))
    let outcome = try EvaluationProtocol(crop: .square, size: 224).apply(to: image)
    #expect((outcome.width, outcome.height) == (224, 224))
    // The centre lies between the pixels 49,999 and 50,000, each of which is now 256 columns wide.
    #expect(outcome.pixels.allSatisfy { (79...80).contains($0) })
  }
}
