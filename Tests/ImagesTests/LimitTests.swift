import Foundation
import Images
import Pixels
import Synchronization
import Testing

/// Small files of many pixels, and of much work: refused by what their headers say, or by counting.
@Suite struct LimitTests {
  /// A PNG of a size that the file has no data for.
  private func png(width: UInt32, height: UInt32) throws -> [UInt8] {
    var bytes = try Fixtures.bytes("rgb-8.png")
    bytes.replaceSubrange(
      16..<24,
      with: [width, height].flatMap { side in (0..<4).map { UInt8(truncatingIfNeeded: side >> (24 - 8 * $0)) } })
    bytes.replaceSubrange(29..<33, with: Fixtures.crc32(of: bytes[12..<29]))
    return bytes
  }

  /// A JPEG of the fixtures whose frame states another size.
  private func jpeg(_ name: String, width: UInt16, height: UInt16) throws -> [UInt8] {
    var bytes = try Fixtures.bytes(name)
    let frame = try #require(
      bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xC2]) || bytes[$0...].starts(with: [0xFF, 0xC0]) })
    bytes.replaceSubrange(frame + 5..<frame + 9, with: [height, width].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] })
    return bytes
  }

  private func refusal(_ bytes: [UInt8], _ limits: DecodingLimits = DecodingLimits()) -> ImageError? {
    do throws(ImageError) {
      _ = try RGBImage(decoding: bytes, limits: limits)
      return nil
    } catch { return error }
  }

  @Test(arguments: [(178_956_970, 1), (1, 65_536), (65_536, 65_536)] as [(UInt32, UInt32)])
  func sidesAreLimited(_ width: UInt32, _ height: UInt32) throws {
    let expected = ImageError.sideTooLong(width: Int(width), height: Int(height), limit: 65_535)
    #expect(refusal(try png(width: width, height: height)) == expected)
    #expect(
      refusal(try png(width: width, height: height), DecodingLimits(maximumPixels: .max, expectsDenseFiles: false))
        == expected)
  }

  @Test func smallFilesHaveFewerPixels() throws {
    let bytes = try png(width: 10_000, height: 10_000)
    let expected = ImageError.tooFewBytes(.png, width: 10_000, height: 10_000, fileBytes: bytes.count, limit: 1 << 26)
    #expect(refusal(bytes) == expected)
    #expect("\(expected)".contains("--max-image-pixels"))
    let progressive = try jpeg("progressive-420.jpg", width: 13_377, height: 10_000)
    #expect(
      refusal(progressive)
        == .tooFewBytes(.jpeg, width: 13_377, height: 10_000, fileBytes: progressive.count, limit: 1 << 26))
  }

  @Test func largerFilesMayHaveMorePixels() throws {
    let limits = DecodingLimits()
    #expect(throws: Never.self) {
      try limits.check(.jpeg, width: 11_000, height: 9_000, workingBytes: 0, fileBytes: 4 << 20)
    }
    #expect(throws: ImageError.tooManyPixels(width: 12_000, height: 12_000, limit: 1 << 27)) {
      try limits.check(.jpeg, width: 12_000, height: 12_000, workingBytes: 0, fileBytes: 200 << 20)
    }
  }

  /// The coefficients of a progressive image are kept until its last scan.
  @Test func coefficientsAreLimited() throws {
    let bytes = try jpeg("progressive-grey.jpg", width: 5_600, height: 5_600)
    guard case .tooMuchWork(.jpeg, let problem, bytes.count)? = refusal(bytes) else {
      Issue.record("\(refusal(bytes).map { "\($0)" } ?? "accepted")")
      return
    }
    #expect(problem.contains("62720000 bytes"))
  }

  @Test func blocksOfAllScansAreLimited() throws {
    // Each scan has 360,000 blocks; 8,388,608 are allowed.
    var bytes = try jpeg("progressive-grey.jpg", width: 4_800, height: 4_800)
    let scan = try #require(bytes.lastIndex(where: { $0 == 0xDA })) - 1
    let lastScan = bytes[scan..<bytes.count - 2]
    bytes.removeLast(2)
    for _ in 0..<40 { bytes += lastScan }
    bytes += [0xFF, 0xD9]
    guard case .tooMuchWork(.jpeg, "its scans have more than 8388608 blocks of 8x8 samples", _)? = refusal(bytes) else {
      Issue.record("\(refusal(bytes).map { "\($0)" } ?? "accepted")")
      return
    }
  }

  /// Two reservations that do not fit together: the second begins when the first has ended.
  @Test func memoryIsSharedByAllThreads() {
    final class State: Sendable {
      let isReleased = Atomic<Bool>(false)
      let waited = Atomic<Bool>(false)
      let done = DispatchSemaphore(value: 0)
    }
    let state = State()
    var first: DecodingReservation? = DecodingReservation(byteCount: DecodingReservation.limit)
    Thread {
      let second = DecodingReservation(byteCount: 1)
      state.waited.store(state.isReleased.load(ordering: .sequentiallyConsistent), ordering: .sequentiallyConsistent)
      withExtendedLifetime(second) {}
      state.done.signal()
    }.start()
    usleep(20_000)
    state.isReleased.store(true, ordering: .sequentiallyConsistent)
    withExtendedLifetime(first) {}
    first = nil
    state.done.wait()
    let waited = state.waited.load(ordering: .sequentiallyConsistent)
    #expect(waited)
  }

  @Test func oneImageMayNeedMoreThanTheLimit() {
    let large = DecodingReservation(byteCount: 2 * DecodingReservation.limit)
    withExtendedLifetime(large) {}
  }

  @Test func manyBrokenImagesAreSortedOnce() {
    var broken = BrokenImages()
    for index in 0..<100_000 { broken.record(path: "\(index * 7_919 % 100_000)", error: .empty) }
    #expect(broken.count == 100_000)
    #expect(broken.entries.prefix(3).map(\.path) == ["0", "1", "10"])
  }
}
