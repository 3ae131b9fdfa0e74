import Images
import Pixels
import Random
import Testing

@Suite struct PhiloxTests {
  struct KnownAnswer: Sendable {
    var counter: SIMD4<UInt32>
    var key: SIMD2<UInt32>
    var words: SIMD4<UInt32>
  }

  /// Those of the authors' Random123 library.
  static let knownAnswers: [KnownAnswer] = [
    KnownAnswer(
      counter: SIMD4(repeating: 0), key: SIMD2(repeating: 0),
      words: SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)),
    KnownAnswer(
      counter: SIMD4(repeating: UInt32.max), key: SIMD2(repeating: UInt32.max),
      words: SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)),
    KnownAnswer(
      counter: SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344), key: SIMD2(0xA409_3822, 0x299F_31D0),
      words: SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)),
  ]

  @Test(arguments: knownAnswers)
  func wordsAreTheKnownAnswers(known: KnownAnswer) {
    #expect(Philox.words(counter: known.counter, key: known.key) == known.words)
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
  /// Against 20,000 draws of torchvision's RandomResizedCrop; tolerances are above four standard errors.
  @Test func cropsHaveTorchvisionsDistribution() throws {
    let count = 20_000
    var random = RandomStream(seed: 9, imageKey: 9, repetition: 0)
    let crops = (0..<count).map { _ in RandomResizedCrop.draw(width: 500, height: 375, random: &random) }
    for crop in crops {
      #expect(crop.x >= 0 && crop.y >= 0 && crop.x + crop.width <= 500 && crop.y + crop.height <= 375)
    }
    func mean(_ value: (PixelRect) -> Double) -> Double { crops.reduce(0) { $0 + value($1) } / Double(count) }
    func area(_ crop: PixelRect) -> Double { Double(crop.width * crop.height) / (500 * 375) }
    let areas = crops.map(area).sorted()
    #expect(areas[0] > 0.078)
    #expect(abs(mean(area) - 0.4348) < 0.01)
    for (quantile, expected) in [(0.1, 0.1495), (0.25, 0.2548), (0.5, 0.4236), (0.75, 0.5943), (0.9, 0.7369)] {
      #expect(abs(areas[Int(quantile * Double(count))] - expected) < 0.015, "quantile \(quantile)")
    }
    #expect(abs(mean { Double($0.width) / Double($0.height) } - 1.0457) < 0.008)
    #expect(abs(mean { Double($0.x) } - 108.5) < 4)
    #expect(abs(mean { Double($0.y) } - 51.9) < 2.5)
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
    (AugmentationRecipe.full, "0f079f9a"), (.senet, "3194f551"), (.torch, "f01a75a3"), (.autoAugment, "2f50f4e2"),
    (.none, "6169651a"),
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

  @Test(arguments: AugmentationRecipe.allCases)
  func theFirstCopyIsAsInEvaluation(recipe: AugmentationRecipe) throws {
    let image = try Fixtures.synthetic(60, 45)
    let evaluation = try EvaluationProtocol(crop: .rect, size: 32)
    let augmentation = Augmentation(recipe: recipe, evaluation: evaluation, seed: 1)
    #expect(try augmentation.copy(0, of: image, imageKey: 2) == evaluation.apply(to: image))
    for number in 1..<4 {
      let copy = try augmentation.copy(number, of: image, imageKey: 2)
      #expect(try copy == augmentation.apply(to: image, imageKey: 2, repetition: number))
    }
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
