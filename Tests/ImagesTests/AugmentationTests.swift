import Images
import Testing

@Suite struct PhiloxTests {
  /// The known answers of the authors' Random123 library.
  @Test(arguments: [
    (
      SIMD4<UInt32>(repeating: 0), SIMD2<UInt32>(repeating: 0),
      SIMD4<UInt32>(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)
    ),
    (SIMD4(repeating: .max), SIMD2(repeating: .max), SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)),
    (
      SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344), SIMD2(0xA409_3822, 0x299F_31D0),
      SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)
    ),
  ])
  func knownAnswers(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>) {
    #expect(Philox.words(counter: counter, key: key) == expected)
  }

  @Test func streamIsTheBlocksInOrder() {
    var stream = RandomStream(seed: 0x299F_31D0_A409_3822, imageKey: 0x0370_7344_1319_8A2E, repetition: 5)
    let words = (0..<8).map { _ in stream.nextWord() }
    for block in 0..<2 {
      let expected = Philox.words(
        counter: SIMD4(UInt32(block), 5, 0x1319_8A2E, 0x0370_7344), key: SIMD2(0xA409_3822, 0x299F_31D0))
      #expect(words[block * 4..<block * 4 + 4].elementsEqual((0..<4).map { expected[$0] }))
    }
  }

  @Test func drawsHaveTheirDistributions() {
    var stream = RandomStream(seed: 1, imageKey: 2, repetition: 3)
    let count = 40_000
    let normals = (0..<count).map { _ in stream.nextNormal() }
    let mean = normals.reduce(0, +) / Double(count)
    let variance = normals.reduce(0) { $0 + $1 * $1 } / Double(count)
    let fourth = normals.reduce(0) { $0 + $1 * $1 * $1 * $1 } / Double(count)
    #expect(abs(mean) < 0.02)
    #expect(abs(variance - 1) < 0.04)
    #expect(abs(fourth - 3) < 0.3)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<count { counts[stream.below(7)] += 1 }
    // Chi squared with 6 degrees of freedom: 22.5 is exceeded once in a thousand.
    let expected = Double(count) / 7
    #expect(counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected } < 22.5)
    let units = (0..<count).map { _ in stream.nextUnit() }
    #expect(units.allSatisfy { (0..<1).contains($0) })
    #expect(abs(units.reduce(0, +) / Double(count) - 0.5) < 0.01)
  }

  /// Known answers of the reference implementation.
  @Test(
    arguments: [
      ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
      ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
    ] as [(String, UInt64)])
  func keyIsXXH64(text: String, expected: UInt64) {
    #expect(ImageFile.key(ofContent: Array(text.utf8)) == expected)
  }
}

@Suite struct OperationTests {
  /// The operations of AutoAugment and colour jitter against Pillow.
  @Test(arguments: try Fixtures.table("operations.tsv"))
  func pixelsArePillows(row: [String]) throws {
    let numbers = row.map { Int($0) ?? 0 }
    let (magnitude, sign) = (numbers[3], Double(numbers[4]))
    let noise = try Fixtures.synthetic(numbers[0], numbers[1])
    let image = try #require(
      RGBImage(
        width: noise.width, height: noise.height, pixels: noise.pixels.map { UInt8(Int($0) * 5 / 9 + 40) }))
    let outcome =
      switch row[2] {
      case "brightness": image.withBrightness(Float(1 + sign * 0.9 * Double(magnitude) / 9))
      case "flip": image.flippedHorizontally()
      default: try #require(Self.operations[row[2]]).apply(to: image, magnitude: magnitude, sign: sign)
      }
    #expect(outcome.crc == row[5])
  }

  static let operations: [String: AutoAugment.Operation] = [
    "shearX": .shearX, "rotate": .rotate, "autocontrast": .autocontrast, "invert": .invert, "equalize": .equalize,
    "solarize": .solarize, "posterize": .posterize, "contrast": .contrast, "color": .color, "sharpness": .sharpness,
  ]

  @Test func lightingShiftsScalesAndClamps() throws {
    let image = try #require(RGBImage(width: 2, height: 1, pixels: [0, 100, 255, 255, 0, 3]))
    let lit = Lighting.apply(to: image, shifts: [0.05, -0.1, 0.2])
    // (v / 255 + shift) / 1.1 * 255, to the nearest, clamped.
    #expect(lit.pixels == [12, 68, 255, 243, 0, 49])
  }
}

@Suite struct AugmentationTests {
  @Test func cropsHaveTorchvisionsRange() throws {
    var random = RandomStream(seed: 9, imageKey: 9, repetition: 0)
    var areas: [Double] = []
    for _ in 0..<4000 {
      let crop = RandomResizedCrop.draw(width: 500, height: 375, random: &random)
      #expect(crop.x >= 0 && crop.y >= 0 && crop.x + crop.width <= 500 && crop.y + crop.height <= 375)
      let area = Double(crop.width * crop.height) / (500 * 375)
      let ratio = Double(crop.width) / Double(crop.height)
      #expect((0.078...1).contains(area))
      #expect((0.745...1.342).contains(ratio))
      areas.append(area)
    }
    // Not quite 0.54, since the largest do not always fit.
    #expect((0.48...0.54).contains(areas.reduce(0, +) / 4000))
  }

  @Test(arguments: [
    (1000, 10, PixelRect(x: 493, y: 0, width: 13, height: 10)),
    (10, 1000, PixelRect(x: 0, y: 493, width: 10, height: 13)),
    (50, 49, PixelRect(x: 0, y: 0, width: 50, height: 49)),
    (1, 1, PixelRect(x: 0, y: 0, width: 1, height: 1)),
  ])
  func centralCropIsTorchvisions(width: Int, height: Int, expected: PixelRect) {
    #expect(RandomResizedCrop.centralCrop(width: width, height: height) == expected)
  }

  @Test(arguments: AugmentationRecipe.allCases)
  func copiesDependOnSeedKeyAndRepetitionOnly(recipe: AugmentationRecipe) throws {
    let image = try Fixtures.synthetic(60, 45)
    let evaluation = try EvaluationProtocol(crop: .square, size: 32)
    func copy(seed: UInt64 = 1, key: UInt64 = 2, repetition: Int = 0) throws -> RGBImage {
      try Augmentation(recipe: recipe, evaluation: evaluation, seed: seed)
        .apply(to: image, imageKey: key, repetition: repetition)
    }
    let first = try copy()
    #expect(first == (try copy()))
    #expect((first.width, first.height) == (32, 32))
    if recipe == .none {
      #expect(first == (try evaluation.apply(to: image)))
      #expect(first == (try copy(seed: 5, key: 6, repetition: 7)))
    } else {
      #expect(first != (try copy(seed: 5)))
      #expect(first != (try copy(key: 6)))
      #expect(first != (try copy(key: 2 | 1 << 40)))
      #expect(first != (try copy(repetition: 1)))
    }
  }

  /// A change here changes every calibration: it must be meant, and named in the release notes.
  @Test(arguments: [
    (AugmentationRecipe.full, "FULL"), (.senet, "SENET"), (.torch, "TORCH"), (.autoAugment, "AUTOAUGMENT"),
    (.none, "NONE"),
  ])
  func copiesStayWhatTheyWere(recipe: AugmentationRecipe, expected: String) throws {
    let image = try Fixtures.synthetic(60, 45)
    let augmentation = Augmentation(
      recipe: recipe, evaluation: try EvaluationProtocol(crop: .square, size: 32), seed: 1)
    let pixels = try (0..<8).flatMap { repetition in
      try augmentation.apply(to: image, imageKey: 2, repetition: repetition).pixels
    }
    let sheet = try #require(RGBImage(width: 32, height: 256, pixels: pixels))
    #expect(sheet.crc == expected)
  }

  @Test func pictureOfOnePixelIsAugmented() throws {
    let image = try #require(RGBImage(width: 1, height: 1, pixels: [10, 200, 90]))
    for recipe in AugmentationRecipe.allCases {
      for repetition in 0..<50 {
        let copy = try Augmentation(
          recipe: recipe, evaluation: try EvaluationProtocol(crop: .square, size: 3), seed: 0
        ).apply(to: image, imageKey: 0, repetition: repetition)
        #expect(copy.pixels.count == 27)
      }
    }
  }

  /// The published policy has 25 sub-policies of two operations.
  @Test func policyHasItsSize() {
    #expect(AutoAugment.imageNetPolicy.count == 25)
    #expect(AutoAugment.imageNetPolicy.allSatisfy { $0.count == 2 })
  }
}
