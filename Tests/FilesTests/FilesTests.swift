import CFiles
import Files
import Glibc
import Tensors
import Testing

/// Paths in messages that a signal handler writes.
@Suite struct PrintablePathTests {
  @Test(arguments: [
    ("photos/caf\u{E9} 1.jpg", "photos/caf\u{E9} 1.jpg"), ("a\u{1B}[31m\n.pth", "a\\x1B[31m\\x0A.pth"),
    ("\u{9B}2J", "\\xC2\\x9B2J"), ("\u{202E}gpj\u{2069}", "\\xE2\\x80\\xAEgpj\\xE2\\x81\\xA9"),
    ("\u{7F}\u{2028}\u{20AC}", "\\x7F\\xE2\\x80\\xA8\u{20AC}"), ("", ""),
  ])
  func controlCharactersAreBytes(path: String, shown: String) throws {
    let copy = try #require(quern_printable_copy(path))
    defer { free(copy) }
    #expect(String(cString: copy) == shown)
  }
}

/// A folder of its own for each test, gone afterwards.
final class Scratch {
  let path: String

  init() {
    path = "/tmp/quern-files-\(String(UInt64.random(in: .min ... .max), radix: 36))"
    mkdir(path, 0o700)
  }

  deinit {
    for name in names() { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  func names() -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
      let name = String(cString: UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self))
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  func file(_ name: String, _ bytes: [UInt8]? = nil) throws -> String {
    let file = "\(path)/\(name)"
    if let bytes {
      let stream = try #require(fopen(file, "w"))
      #expect(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
      fclose(stream)
    }
    return file
  }
}

@Suite struct MappedFileTests {
  @Test func bytesOutliveTheFileValueThroughTheirStorage() throws {
    let scratch = Scratch()
    let path = try scratch.file("a", [1, 2, 3, 4])
    let storage = try MappedFile(path: path).storage
    withExtendedLifetime(storage) { #expect(Array(storage.bytes) == [1, 2, 3, 4]) }
  }

  @Test func whatCannotBeMappedSaysWhy() throws {
    let scratch = Scratch()
    let empty = try scratch.file("empty", [])
    #expect(throws: FileError.empty(path: empty)) { try MappedFile(path: empty) }
    #expect(throws: FileError.isDirectory(path: scratch.path)) { try MappedFile(path: scratch.path) }
    #expect(throws: FileError.notRegular(path: "/dev/null")) { try MappedFile(path: "/dev/null") }
    let missing = "\(scratch.path)/none"
    let error = #expect(throws: FileError.self) { try MappedFile(path: missing) }
    #expect(error?.kind == .missingInput)
    #expect(error?.description == "\(missing): no such file")
    let pipe = "\(scratch.path)/pipe"
    mkfifo(pipe, 0o600)
    #expect(throws: FileError.notRegular(path: pipe)) { try MappedFile(path: pipe) }
    if getuid() != 0 {
      let secret = try scratch.file("secret", [1])
      chmod(secret, 0)
      let error = #expect(throws: FileError.self) { try MappedFile(path: secret) }
      #expect(error == .cannotOpen(path: secret, code: EACCES))
    }
  }

  @Test func pointersOfGitLFSAreRefusedWithAdvice() throws {
    let scratch = Scratch()
    let text = "version https://git-lfs.github.com/spec/v1\noid sha256:\(String(repeating: "0", count: 64))\nsize 9\n"
    let path = try scratch.file("a", Array(text.utf8))
    let error = #expect(throws: FileError.lfsPointer(path: path)) { try MappedFile(path: path) }
    #expect(error?.kind == .badData)
    #expect(error?.description == "\(path): is a Git LFS pointer: fetch the file itself with `git lfs pull`")
    #expect(throws: ConfinementError.file(.lfsPointer(path: path))) {
      try MappedFile.confined(to: scratch.path, location: "a")
    }
    // A text about pointers is none.
    #expect(throws: Never.self) { try MappedFile(path: try scratch.file("b", Array(" \(text)".utf8))) }
  }

  @Test(
    arguments: [
      ("https://example.org/a.pth", "curl -LO"), ("http://example.org/a.pth", "curl -LO"),
      ("HTTPS://EXAMPLE.ORG/A", "curl -LO"), ("s3://bucket/a", "aws s3 cp"), ("gs://bucket/a", "gcloud storage cp"),
      ("hf://org/model/a", "hf download"), ("https:/a", nil), ("nowhere/https://a", nil), ("https", nil), ("", nil),
    ] as [(String, String?)])
  func missingFilesThatAreURLsHaveAHint(path: String, command: String?) {
    let error = #expect(throws: FileError.notFound(path: path)) { try MappedFile(path: path) }
    #expect(error?.kind == .missingInput)
    let hint = command.map { "is a URL; download the file first, for instance with \($0), and give its path" }
    #expect(error?.description == "\(path): \(hint ?? "no such file")")
  }

  @Test func releasedPagesReadTheSame() throws {
    let scratch = Scratch()
    let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let file = try MappedFile(path: try scratch.file("a", bytes))
    file.releasePages(10..<40_000)
    file.releasePages(-5..<1_000_000)
    #expect(file.withBytes { Array($0) } == bytes)
    #expect(file.sha256() == SHA256.hash(bytes))
  }
}

@Suite struct SHA256Tests {
  /// FIPS 180-4's examples.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func knownDigests(text: String, hex: String) {
    #expect(SHA256.hash(Array(text.utf8)).hex == hex)
    var hash = SHA256()
    for byte in text.utf8 { hash.update([byte]) }
    #expect(hash.finalize().hex == hex)
  }

  @Test func digestHas32Bytes() {
    #expect(SHA256.Digest(bytes: [UInt8](repeating: 0, count: 31)) == nil)
    #expect(SHA256.Digest(bytes: SHA256.hash([]).bytes) == SHA256.hash([]))
  }
}

@Suite struct ByteCursorTests {
  @Test func readsAreLittleEndianAndUnaligned() throws {
    var cursor = ByteCursor([9, 1, 2, 3, 4, 5, 6, 7, 8, 0x41, 0xC3, 0xA9])
    #expect(try cursor.read(UInt8.self, "a") == 9)
    #expect(try cursor.read(UInt64.self, "b") == 0x0807_0605_0403_0201)
    #expect(try cursor.readUTF8(3, "c") == "Aé")
    #expect(cursor.isAtEnd)
    try cursor.seek(to: 1, "d")
    #expect(try cursor.readBigEndian(UInt32.self, "d") == 0x0102_0304)
  }

  @Test func readsBeyondTheRangeNamePlaceAndField() throws {
    let bytes = TensorStorage(byteCount: 16) { $0.initializeMemory(as: UInt8.self, repeating: 0xFF) }
    var cursor = ByteCursor(bytes, range: 4..<10)
    #expect(try cursor.read(Int32.self, "first") == -1)
    #expect(throws: ByteCursorError(field: "second", offset: 8, needed: 4, available: 2)) {
      try cursor.read(UInt32.self, "second")
    }
    #expect(throws: ByteCursorError(field: "back", offset: 3, needed: 1, available: 0)) {
      try cursor.seek(to: 3, "back")
    }
    #expect(throws: ByteCursorError.self) { try cursor.skip(-1, "negative") }
    #expect(throws: ByteCursorError.self) { try cursor.skip(Int.max, "huge") }
    #expect(cursor.text(in: 0..<5) == nil)
    var all = ByteCursor(bytes)
    #expect(throws: ByteCursorError(field: "count", offset: 0, needed: Int.max, available: 8)) {
      try all.readCount("count")
    }
  }
}

@Suite struct MappedPartTests {
  /// Offsets around the boundaries of pages.
  @Test(arguments: [(0, 1), (1, 4096), (4095, 2), (4096, 4096), (5000, 7), (8191, 1)])
  func partsOfAFile(offset: Int, count: Int) throws {
    let bytes = (0..<8192).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }
    let path = "/tmp/quern-part-\(getpid())-\(offset)"
    let file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit()
    defer { unlink(path) }
    let descriptor = open(path, O_RDONLY)
    let part = try MappedFile(descriptor: descriptor, path: "part", offset: offset, byteCount: count)
    let rest = try MappedFile(descriptor: descriptor, path: "rest", offset: offset)
    #expect(throws: FileError.outOfRange(path: "x", offset: offset, byteCount: 8193 - offset, fileSize: 8192)) {
      try MappedFile(descriptor: descriptor, path: "x", offset: offset, byteCount: 8193 - offset)
    }
    #expect(throws: FileError.outOfRange(path: "x", offset: 8192, byteCount: 0, fileSize: 8192)) {
      try MappedFile(descriptor: descriptor, path: "x", offset: 8192)
    }
    close(descriptor)
    for _ in 0..<2 {
      #expect(part.withBytes { Array($0) } == Array(bytes[offset..<offset + count]))
      #expect(rest.withBytes { Array($0) } == Array(bytes[offset...]))
      part.releasePages(0..<count)
      rest.releasePages(0..<rest.byteCount)
    }
  }
}
