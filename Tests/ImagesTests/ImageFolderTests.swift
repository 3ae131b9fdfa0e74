import Glibc
import Images
import Pixels
import Testing

/// A folder of its own for each test, gone afterwards.
private struct ScratchFolder: ~Copyable {
  let path: String

  init() throws {
    var template = Array("/tmp/quern-images-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    path = try #require(made)
  }

  deinit {
    var pending = [path]
    var folders: [String] = []
    while let folder = pending.popLast() {
      folders.append(folder)
      guard let stream = opendir(folder) else { continue }
      while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name == "." || name == ".." { continue }
        if entry.pointee.d_type == UInt8(DT_DIR) {
          pending.append("\(folder)/\(name)")
        } else {
          unlink("\(folder)/\(name)")
        }
      }
      closedir(stream)
    }
    for folder in folders.reversed() { rmdir(folder) }
  }

  func write(_ relative: String, _ bytes: [UInt8] = [1]) throws {
    let parts = relative.split(separator: "/")
    for depth in 1..<max(parts.count, 1) { mkdir("\(path)/\(parts[..<depth].joined(separator: "/"))", 0o755) }
    let file = try #require(fopen("\(path)/\(relative)", "w"))
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  func link(_ relative: String, to target: String) { _ = symlink(target, "\(path)/\(relative)") }
}

@Suite struct ImageFolderTests {
  /// What stands for images without being any, as an image and in place of a folder.
  @Test(
    arguments: [
      (Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".utf8), .lfsPointer),
      (Array("PK\u{3}\u{4}....".utf8), .archive(kind: "a zip archive")),
      (Array("PK\u{5}\u{6}".utf8) + [UInt8](repeating: 0, count: 18), .archive(kind: "a zip archive")),
      // The name of its first file makes it look like a BMP image.
      (
        Array("BM.jpg".utf8) + [UInt8](repeating: 0, count: 251) + Array("ustar\0".utf8)
          + [UInt8](repeating: 0, count: 249), .archive(kind: "a tar archive")
      ),
      ([0x1F, 0x8B, 8, 0], .archive(kind: "a gzip archive")),
    ] as [([UInt8], ImageError)])
  func placeholdersOfImagesAreNamed(bytes: [UInt8], expected: ImageError) throws {
    let scratch = try ScratchFolder()
    try scratch.write("a.jpg", bytes)
    let path = "\(scratch.path)/a.jpg"
    #expect(throws: ImageError.at(path: path, expected)) { try ImageFile.load(path) }
    #expect(throws: ImageError.at(path: path, expected)) { try ImageFolder(path: path) }
    #expect(try ImageFolder(path: scratch.path).files.map(\.path) == [path])
    #expect(expected.isOfImage)
  }

  /// Class folders are told apart by the bytes of their names, and named by what is before the first slash.
  @Test func classesAreThoseOfTheBytes() throws {
    let scratch = try ScratchFolder()
    for name in ["\u{E9}/1.jpg", "e\u{301}/2.jpg", "z/3.jpg", "z/\u{301}4.jpg"] { try scratch.write(name) }
    let folder = try ImageFolder(path: scratch.path)
    #expect(folder.classNames.map { Array($0.utf8) } == ["e\u{301}", "z", "\u{E9}"].map { Array($0.utf8) })
    #expect(folder.files.map(\.label) == [0, 1, 1, 2])
    #expect(folder.files.allSatisfy { $0.label.map { folder.classNames[$0] } == $0.className })
    let twins = ["\u{E9}", "e\u{301}"].map { ImageFolder.File(relativePath: $0, path: $0) }
    #expect(twins[0] != twins[1] && twins[0] == twins[0] && Set(twins).count == 2)
  }

  @Test func imagesOfOtherFormatsAreCounted() throws {
    let scratch = try ScratchFolder()
    let others = ["a.heic", "b.HEIF", "sub/c.tif", "d.gif", "e.txt", "heic"]
    for name in others { try scratch.write(name, [0]) }
    let expected = ["GIF": 1, "HEIC": 2, "TIFF": 1]
    let error = #expect(throws: ImageError.at(path: scratch.path, .noImages(ignored: 6, otherFormats: expected))) {
      try ImageFolder(path: scratch.path)
    }
    #expect(
      error?.description.hasSuffix(
        "only 1 GIF, 2 HEIC and 1 TIFF images, which are not decoded; "
          + "convert them to PNG, JPEG or WebP") == true)
    try scratch.write("f.WebP", [0])
    let folder = try ImageFolder(path: scratch.path)
    #expect(folder.files.map(\.relativePath) == ["f.WebP"])
    #expect(folder.otherFormats == expected && folder.ignoredCount == 6)
  }

  @Test func otherFilesInPlaceOfAFolderAreNotOne() throws {
    let scratch = try ScratchFolder()
    for (name, bytes) in [("text", Array("hello".utf8)), ("empty", [])] {
      try scratch.write(name, bytes)
      let path = "\(scratch.path)/\(name)"
      #expect(throws: ImageError.at(path: path, .notAFolder)) { try ImageFolder(path: path) }
    }
  }

  @Test func missingFoldersThatAreURLsHaveAHint() throws {
    let path = "https://example.org/photos"
    for read in [{ _ = try ImageFolder(path: path) }, { _ = try ImageFile.load(path) }] as [() throws -> Void] {
      let error = #expect(throws: ImageError.self) { try read() }
      #expect(error?.description.contains("is a URL; download the file first") == true)
    }
    let other = #expect(throws: ImageError.self) { try ImageFolder(path: "/nowhere") }
    #expect(other?.description == "/nowhere: cannot open the folder: No such file or directory")
  }

  @Test func flatFolderIsUnlabelled() throws {
    let scratch = try ScratchFolder()
    for name in ["b.JPG", "a.png", "Z.jpeg", "é.PnG", ".hidden.jpg", "notes.txt", "jpg", "c.jpg.bak", "sub/x.jpg"] {
      try scratch.write(name)
    }
    let folder = try ImageFolder(path: scratch.path)
    #expect(folder.files.map(\.relativePath) == ["Z.jpeg", "a.png", "b.JPG", "sub/x.jpg", "é.PnG"])
    #expect(folder.files[0].path == scratch.path + "/Z.jpeg")
    #expect(folder.files.allSatisfy { $0.label == nil && $0.className == nil })
    #expect(!folder.isLabelled)
    #expect(folder.ignoredCount == 4)
  }

  @Test func classesAreTheSubfoldersInTheOrderOfTheirBytes() throws {
    let scratch = try ScratchFolder()
    for name in ["b/2.jpg", "b/1.jpg", "B/deep/er/3.png", "é/4.jpg", "b-c/5.jpg", "empty/readme.md", ".git/6.jpg"] {
      try scratch.write(name)
    }
    let folder = try ImageFolder(path: scratch.path + "/")
    #expect(folder.classNames == ["B", "b", "b-c", "empty", "é"])
    #expect(folder.files.map(\.relativePath) == ["B/deep/er/3.png", "b-c/5.jpg", "b/1.jpg", "b/2.jpg", "é/4.jpg"])
    #expect(folder.files.map(\.label) == [0, 2, 1, 1, 4])
    #expect(folder.files.map(\.className) == ["B", "b-c", "b", "b", "é"])
    #expect(folder.files[0].path == scratch.path + "/B/deep/er/3.png")
    #expect(folder.ignoredCount == 2)
  }

  /// Neither a name that is not UTF-8 nor one that a package could not hold can be referred to, so that an image or a
  /// folder with one would be lost.
  @Test(arguments: [
    ([0xE9], ".jpg", false, true), ([0xE9], "", true, true), ([0xE9], ".txt", false, false),
    (Self.marks(31), ".jpg", false, true), (Self.marks(31), "", true, true), (Self.marks(31), ".txt", false, false),
    (Self.marks(30), ".txt", false, false),
  ])
  func namesThatAreNoTexts(bytes: [UInt8], end: String, isFolder: Bool, isRefused: Bool) throws {
    let scratch = try ScratchFolder()
    try scratch.write("a.jpg")
    let name = Array("caf".utf8) + bytes + end.utf8
    let path = (scratch.path.utf8 + [0x2F] + name + [0]).map { CChar(bitPattern: $0) }
    #expect(isFolder ? mkdir(path, 0o755) == 0 : close(open(path, O_CREAT | O_WRONLY, 0o644)) == 0)
    if isRefused {
      let rule = "UTF-8 with at most 30 combining marks in a row"
      let shown = String(decoding: name, as: UTF8.self)
      #expect(throws: ImageError.at(path: scratch.path, .nameNotText(shown, rule: rule))) {
        try ImageFolder(path: scratch.path)
      }
      _ = isFolder ? rmdir(path) : unlink(path)
    } else {
      #expect(try ImageFolder(path: scratch.path).ignoredCount == 1)
      _ = unlink(path)
    }
  }

  private static func marks(_ count: Int) -> [UInt8] { Array(repeatElement("\u{301}", count: count).joined().utf8) }

  @Test func loopsOfLinksEnd() throws {
    let scratch = try ScratchFolder()
    try scratch.write("a/1.jpg")
    try scratch.write("b/2.jpg")
    scratch.link("a/up", to: "..")
    scratch.link("b/self", to: ".")
    scratch.link("b/other", to: "../a")
    scratch.link("b/linked.jpg", to: "../a/1.jpg")
    scratch.link("b/circle.png", to: "circle.png")
    scratch.link("b/gone", to: "nowhere")
    let folder = try ImageFolder(path: scratch.path)
    #expect(folder.files.map(\.relativePath) == ["a/1.jpg", "b/2.jpg", "b/circle.png", "b/linked.jpg"])
    #expect(folder.ignoredCount == 1)
    // A picture that cannot be opened is not passed over: reading it says why.
    #expect(
      throws: ImageError.at(
        path: folder.files[2].path, .system(operation: "open the file", number: ELOOP))
    ) {
      try ImageFile.read(folder.files[2].path)
    }
  }

  @Test func linkedFolderIsListed() throws {
    let scratch = try ScratchFolder()
    try scratch.write("real/1.jpg")
    scratch.link("link", to: "real")
    let folder = try ImageFolder(path: scratch.path + "/link")
    #expect(folder.files.map(\.relativePath) == ["1.jpg"])
  }

  @Test func missingFolderIsNamed() throws {
    let scratch = try ScratchFolder()
    try scratch.write("file.txt")
    let missing = scratch.path + "/none"
    #expect(
      throws: ImageError.at(path: missing, .system(operation: "open the folder", number: ENOENT))
    ) {
      try ImageFolder(path: missing)
    }
    #expect(
      "\(ImageError.at(path: missing, .system(operation: "open the folder", number: ENOENT)))"
        == "\(missing): cannot open the folder: No such file or directory")
    let file = scratch.path + "/file.txt"
    #expect(throws: ImageError.at(path: file, .notAFolder)) { try ImageFolder(path: file) }
    #expect(throws: ImageError.at(path: scratch.path, .noImages(ignored: 1, otherFormats: [:]))) {
      try ImageFolder(path: scratch.path)
    }
  }

  @Test(.enabled(if: geteuid() != 0, "the superuser may read every folder"))
  func unreadableFolderIsNamed() throws {
    let scratch = try ScratchFolder()
    try scratch.write("a/1.jpg")
    let closed = scratch.path + "/a"
    chmod(closed, 0)
    defer { chmod(closed, 0o755) }
    #expect(throws: ImageError.at(path: closed, .system(operation: "open the folder", number: EACCES))) {
      try ImageFolder(path: scratch.path)
    }
  }

  @Test func samplesAreSpreadEvenly() throws {
    let scratch = try ScratchFolder()
    for index in 10..<20 { try scratch.write("\(index).png") }
    let folder = try ImageFolder(path: scratch.path)
    func sample(_ count: Int) -> [String] {
      folder.spreadSample(count: count).map { String($0.relativePath.prefix(2)) }
    }
    #expect(sample(4) == ["10", "12", "15", "17"])
    #expect(sample(3) == ["10", "13", "16"])
    #expect(sample(1) == ["10"])
    #expect(sample(0) == [])
    #expect(sample(10).count == 10)
    #expect(sample(.max).count == 10)
  }
}

@Suite struct ImageFileTests {
  @Test func filesAreLimited() throws {
    let scratch = try ScratchFolder()
    try scratch.write("big.jpg", [UInt8](repeating: 7, count: 100))
    let path = scratch.path + "/big.jpg"
    #expect(try ImageFile.read(path, limits: DecodingLimits(maximumFileBytes: 100)).count == 100)
    #expect(throws: ImageError.at(path: path, .fileTooLarge(byteCount: 100, limit: 99))) {
      try ImageFile.read(path, limits: DecodingLimits(maximumFileBytes: 99))
    }
  }

  @Test func pipeDoesNotBlock() throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/pipe.jpg"
    mkfifo(path, 0o644)
    #expect(throws: ImageError.at(path: path, .notARegularFile)) { try ImageFile.load(path) }
    #expect(throws: ImageError.at(path: scratch.path, .notARegularFile)) { try ImageFile.load(scratch.path) }
  }

  @Test func errorsNameTheFile() throws {
    let scratch = try ScratchFolder()
    try scratch.write("a.jpg", Array("GIF89a......".utf8))
    do {
      _ = try ImageFile.load(scratch.path + "/a.jpg")
      Issue.record("a GIF was taken")
    } catch {
      #expect(
        "\(error)" == "\(scratch.path)/a.jpg: GIF images are not supported; convert the file to PNG, JPEG or WebP")
      #expect(error.underlying == .unsupportedFormat("GIF"))
    }
  }

  @Test func brokenImagesAreNamedAndCountedInOrder() {
    var broken = BrokenImages()
    var others = BrokenImages()
    for index in stride(from: 19, through: 10, by: -1) { broken.record(path: "\(index).jpg", error: .empty) }
    others.record(path: "09.jpg", error: .at(path: "09.jpg", .truncated(.jpeg, byteCount: 5)))
    others.record(path: "20.jpg", error: .unrecognized)
    broken.merge(others)
    #expect(broken.count == 12)
    #expect(broken.entries.map(\.path) == ["09.jpg"] + (10...20).map { "\($0).jpg" })
    let lines = broken.lines
    #expect(lines.first == "09.jpg: the JPEG image is truncated: its 5 bytes end before its last pixel")
    #expect(lines.count == 11)
    #expect(lines.last == "and 2 more")
  }
}
