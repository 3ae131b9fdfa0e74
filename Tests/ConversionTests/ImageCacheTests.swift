import Conversion
import Foundation
import Images
import Pixels
import Testing

@Suite struct ImageCacheTests {
  private static func photographs() throws -> [ImageFolder.File] {
    let folder = URL(filePath: #filePath).appending(path: "../../../fixtures/photographs").standardized
    return Array(try ImageFolder(path: folder.path).files.prefix(8))
  }

  @Test func imagesAreThoseOfTheirFiles() throws {
    let files = try Self.photographs()
    let cache = ImageCache()
    for _ in 0..<2 {
      for file in files {
        let (held, decoded) = (try cache.image(file), try LoadedImage(file))
        #expect(held.pixels == decoded.pixels && held.key == decoded.key && held.file == file)
      }
    }
    #expect(try cache.byteCount == files.reduce(0) { $0 + (try LoadedImage($1).pixels.pixels.count) })
    // Another list may know the file by a class.
    let labelled = ImageFolder.File(relativePath: "x", path: files[0].path, label: 3, className: "x")
    #expect(try cache.image(labelled).file == labelled)
  }

  /// A file that is gone is still held, and only then.
  @Test func filesAreReadOnce() throws {
    let copy = FileManager.default.temporaryDirectory.appending(path: "quern-\(UUID().uuidString).jpg")
    try FileManager.default.copyItem(at: URL(filePath: try Self.photographs()[0].path), to: copy)
    defer { try? FileManager.default.removeItem(at: copy) }
    let file = ImageFolder.File(relativePath: "a.jpg", path: copy.path)
    let cache = ImageCache()
    let first = try cache.image(file)
    try FileManager.default.removeItem(at: copy)
    #expect(try cache.image(file).pixels == first.pixels)
    #expect(try cache.image(file, isLast: true).pixels == first.pixels)
    #expect(cache.byteCount == 0)
    #expect(throws: ImageError.self) { try cache.image(file) }
  }

  /// Files whose names Unicode considers equal are different ones.
  @Test func filesAreToldApartByTheBytesOfTheirNames() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "quern-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let photographs = try Self.photographs()
    // Not by URLs, which may change the form.
    let files = try zip(["\u{E9}.jpg", "e\u{301}.jpg"], photographs).map { name, photograph in
      let path = "\(folder)/\(name)"
      let bytes = try Data(contentsOf: URL(filePath: photograph.path))
      let stream = try #require(fopen(path, "wb"))
      defer { fclose(stream) }
      #expect(bytes.withUnsafeBytes { fwrite($0.baseAddress, 1, bytes.count, stream) } == bytes.count)
      return ImageFolder.File(relativePath: name, path: path)
    }
    let cache = ImageCache()
    for _ in 0..<2 {
      for (file, photograph) in zip(files, photographs) {
        #expect(try cache.image(file).pixels == LoadedImage(photograph).pixels)
      }
    }
  }

  @Test func whatDoesNotFitIsNotHeld() throws {
    let files = try Self.photographs()
    let sizes = try files.map { try LoadedImage($0).pixels.pixels.count }
    let cache = ImageCache(byteLimit: sizes[0] + sizes[1])
    for file in files + files { _ = try cache.image(file) }
    #expect(cache.byteCount <= sizes[0] + sizes[1] && cache.byteCount >= sizes[0])
    cache.removeAll()
    #expect(cache.byteCount == 0)
    let none = ImageCache(byteLimit: 0)
    #expect(try none.image(files[0]).pixels == LoadedImage(files[0]).pixels)
  }

  @Test(arguments: [1, 3])
  func jobsHandImagesOn(threads: Int) throws {
    let files = try Self.photographs()
    var job = ImageJob(threads: threads)
    job.cache = ImageCache()
    for _ in 0..<2 {
      let skipped = try job.run(files, progress: SilentProgress()) { index, file, _ in
        let (handed, decoded) = (try job.load(file), try LoadedImage(files[index]))
        #expect(handed.key == decoded.key)
      }
      #expect(skipped.isEmpty)
    }
  }
}
