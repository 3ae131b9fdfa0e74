import Images
import Pixels
import Testing

/// Images are turned as their EXIF data say where that is asked for.
@Suite struct OrientationTests {
  /// A file, and what Pillow's `exif_transpose` makes of it: in JPEG, PNG and WebP, in both byte orders, with broken
  /// blocks.
  @Test(arguments: try Fixtures.table("oriented.tsv"))
  func pixelsArePillows(row: [String]) throws {
    let bytes = try Fixtures.bytes(row[0])
    let upright = try RGBImage(decoding: bytes, turnsUpright: true)
    #expect(["\(upright.width)", "\(upright.height)", upright.crc] == Array(row[1...]))
    let stored = try RGBImage(decoding: bytes)
    #expect(stored.width == 7)
    #expect(stored.height == 5)
  }

  /// A block that is cut or changed anywhere gives an orientation or none, never a trap.
  @Test(arguments: ["oriented-6.jpg", "oriented-6.png", "oriented-6.webp"])
  func damagedBlocksDoNotTrap(name: String) throws {
    let whole = try Fixtures.bytes(name)
    var random = SplitMix64(state: 6)
    for length in 0..<whole.count { _ = try? RGBImage(decoding: Array(whole[..<length]), turnsUpright: true) }
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = try? RGBImage(decoding: bytes, turnsUpright: true)
    }
  }
}

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
