import Conversion
import Testing

/// The resizes that are tried to explain a framework's input.
@Suite struct ResizeCandidateTests {
  /// All short sides from that of the crop to twice as much.
  @Test(arguments: [1, 2, 7, 224, 256]) func smallCropsAreTriedFromAllShortSides(side: Int) {
    let stages = ResizeCandidates.shortSides(side, filters: 3)
    #expect(stages.count == 2 && stages[0] == Array(side..<side + side / 5 + 1))
    #expect(stages[0] + stages[1] == Array(side..<2 * side))
  }

  /// A file of 1 MB can have an input of 417 pixels.
  @Test(arguments: [417, 600, 4096, 1 << 20]) func pixelsAreBounded(side: Int) {
    let shorts = ResizeCandidates.shortSides(side, filters: 3).flatMap { $0 }
    #expect(shorts == Set(shorts).sorted())
    // Besides 17 usual crop ratios.
    #expect((shorts.count - 17) * 3 * side * side <= ResizeCandidates.pixelLimit)
    for ratio in [0.8, 0.875, 0.95, 1] { #expect(shorts.contains(Int(Double(side) / ratio))) }
  }

  @Test func noPixelsHaveNoResizes() { #expect(ResizeCandidates.shortSides(0, filters: 3).isEmpty) }
}
