import Images
import Pixels
import Testing

/// Turning by quarters moves pixels and computes none.
@Suite struct TurningTests {
  /// Two rows of three pixels, numbered; `turned` states the rows after each number of clockwise quarters.
  @Test(arguments: [
    (0, 3, [1, 2, 3, 4, 5, 6]), (1, 2, [4, 1, 5, 2, 6, 3]), (2, 3, [6, 5, 4, 3, 2, 1]), (3, 2, [3, 6, 2, 5, 1, 4]),
    (-1, 2, [3, 6, 2, 5, 1, 4]), (5, 2, [4, 1, 5, 2, 6, 3]),
  ])
  func pixelsMoveClockwise(quarters: Int, width: Int, turned: [UInt8]) throws {
    func pixels(_ numbers: [UInt8]) -> [UInt8] { numbers.flatMap { [$0, $0 + 10, $0 + 20] } }
    let image = try #require(RGBImage(width: 3, height: 2, pixels: pixels([1, 2, 3, 4, 5, 6])))
    #expect(image.turned(quarters: quarters) == RGBImage(width: width, height: 6 / width, pixels: pixels(turned)))
  }
}
