import Images
import Pixels
import Testing

@Suite struct EncodingTests {
  @Test(arguments: [(1, 1), (3, 5), (64, 48), (257, 1)])
  func pngHoldsThePixels(width: Int, height: Int) throws {
    let image = try Fixtures.synthetic(width, height)
    let file = try image.png()
    #expect(try RGBImage(decoding: file) == image)
    #expect(try image.png() == file)
  }

  /// Noise does not compress: the file is longer than its pixels, and still fits.
  @Test func noiseFits() throws {
    var state: UInt32 = 7
    let noise = (0..<96 * 96 * 3).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(truncatingIfNeeded: state >> 24)
    }
    let image = try #require(RGBImage(width: 96, height: 96, pixels: noise))
    #expect(try RGBImage(decoding: image.png()) == image)
  }

  @Test(arguments: [
    (100, 50, 100, 50), (128, 128, 128, 128), (256, 100, 128, 50), (10, 2000, 1, 128), (3000, 1, 128, 1),
  ])
  func thumbnailsKeepTheirProportions(width: Int, height: Int, toWidth: Int, toHeight: Int) throws {
    let small = try Fixtures.synthetic(width, height).thumbnail(side: 128)
    #expect((small.width, small.height) == (toWidth, toHeight))
  }
}
