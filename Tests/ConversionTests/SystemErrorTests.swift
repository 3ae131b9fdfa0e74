import Conversion
import Foundation
import Images
import Pixels
import Testing

/// Images that the system fails to read are not bad images: leaving them out would give another result.
@Suite struct SystemErrorTests {
  private static let photographs = URL(filePath: #filePath).appending(path: "../../../fixtures/photographs")
    .standardized
    .path

  private static func file(_ name: String) -> ImageFolder.File {
    ImageFolder.File(relativePath: name, path: "\(photographs)/\(name)")
  }

  /// A name that is too long for any file system, which stands for a disk that fails.
  private static let unreadable = file(String(repeating: "a", count: 300) + ".jpg")
  private static let good = file("cat-00.jpg")
  private static let missing = file("missing.jpg")

  @Test(arguments: [
    (ImageError.system(operation: "read the file", number: EIO), false),
    (.system(operation: "open the file", number: EMFILE), false), (.system(operation: "open", number: EACCES), false),
    (.at(path: "a", .system(operation: "open the file", number: ENFILE)), false),
    (.outOfMemory(width: 1, height: 1), false), (.changed, false), (.system(operation: "open", number: ENOENT), true),
    (.empty, true), (.notARegularFile, true), (.truncated(.jpeg, byteCount: 1), true),
    (.tooManyPixels(width: 1, height: 1, limit: 0), true),
  ])
  func errorsOfImages(error: ImageError, isOfImage: Bool) { #expect(error.isOfImage == isOfImage) }

  @Test(arguments: [1, 3], [false, true])
  func jobsEnd(threads: Int, skips: Bool) throws {
    let job = ImageJob(threads: threads, skipsBroken: skips)
    let files = [Self.missing, Self.good, Self.unreadable]
    let error = #expect(throws: ImageError.self) {
      try job.run(files, progress: SilentProgress()) { _, file, _ in _ = try job.load(file) }
    }
    #expect(error?.underlying == .system(operation: "open the file", number: ENAMETOOLONG))
    if skips {
      let broken = try job.run(Array(files.prefix(2)), progress: SilentProgress()) { _, file, _ in
        _ = try job.load(file)
      }
      #expect(broken.count == 1)
    }
  }
}
