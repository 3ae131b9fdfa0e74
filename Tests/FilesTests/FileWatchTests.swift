import Files
import Glibc
import Testing

/// Files that are changed while they are used.
@Suite struct FileWatchTests {
  /// A file in a watch.
  final class Subject {
    let scratch = Scratch()
    let watch = FileWatch()
    let path: String
    let byteCount: Int
    private(set) var file: WatchedFile?
    /// A shared mapping, all of whose pages have been written to, so that stores set no time on most file systems.
    private let mapping: UnsafeMutableRawBufferPointer

    /// - Parameters:
    ///   - byteCount: the size of the file.
    ///   - isHashed: whether its hash is taken. Without it, more than a megabyte is not compared whole.
    init(byteCount: Int = 3 << 20, isHashed: Bool = true) throws {
      let bytes = [UInt8](repeating: 7, count: byteCount)
      self.byteCount = byteCount
      path = try scratch.file("model", bytes)
      _ = try scratch.file("other", [1, 2, 3])
      link(path, "\(scratch.path)/link")
      let writable = open(path, O_RDWR | O_CLOEXEC)
      let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0)
      close(writable)
      mapping = UnsafeMutableRawBufferPointer(start: try #require(base != MAP_FAILED ? base : nil), count: byteCount)
      for offset in stride(from: 0, to: byteCount, by: 4096) { mapping[offset] = 7 }
      usleep(20_000)  // The times of files have steps of some milliseconds.
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      defer { close(descriptor) }
      let watched = try watch.add(descriptor, path: path)
      file = watched
      if isHashed { _ = watch.digest(of: [watched]) { SHA256.hash(bytes) } }
    }

    deinit { munmap(mapping.baseAddress, byteCount) }

    var changed: FileError { .changed(path: path) }

    /// Ends the use of the file.
    func drop() { file = nil }

    /// Changes a byte through the mapping.
    func store(at offset: Int) { mapping[offset] ^= 1 }

    /// Renames another file to this one.
    func replace() { rename("\(scratch.path)/other", path) }
  }

  /// How a file is changed.
  struct Change: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let apply: @Sendable (Subject) -> Void
  }

  private static let middle = 3 << 19

  /// Writes a byte and sets the time of the last change of the content back.
  private static func rewrite(_ path: String) {
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    var status = stat()
    fstat(descriptor, &status)
    let written = pwrite(descriptor, [9] as [UInt8], 1, off_t(middle))
    let result = futimens(descriptor, [status.st_atim, status.st_mtim])
    close(descriptor)
    #expect(written == 1 && result == 0)
  }

  private static let changes = [
    Change(testDescription: "rewritten") { rewrite($0.path) },
    Change(testDescription: "rewritten, and another name removed") { subject in
      rewrite(subject.path)
      unlink("\(subject.scratch.path)/link")
    },
    Change(testDescription: "rewritten, and replaced") { subject in
      rewrite(subject.path)
      subject.replace()
    },
    Change(testDescription: "rewritten, and removed") { subject in
      rewrite(subject.path)
      unlink(subject.path)
    },
    Change(testDescription: "changed through a mapping") { $0.store(at: middle) },
    Change(testDescription: "changed through a mapping, and replaced") { subject in
      subject.store(at: middle)
      subject.replace()
    },
    Change(testDescription: "made shorter") { subject in truncate(subject.path, 4096) },
  ]

  @Test(arguments: changes)
  func changesOfHashedFilesAreNoticed(_ change: Change) throws {
    for isDropped in [false, true] {
      let subject = try Subject()
      if isDropped { subject.drop() }
      change.apply(subject)
      #expect(throws: subject.changed) { try subject.watch.checkUnchanged() }
      // For good.
      #expect(throws: subject.changed) { try subject.watch.checkUnchanged() }
    }
  }

  private static let renamings = [
    Change(testDescription: "replaced") { $0.replace() },
    Change(testDescription: "removed") { subject in unlink(subject.path) },
    Change(testDescription: "another name removed") { subject in unlink("\(subject.scratch.path)/link") },
    Change(testDescription: "both names removed") { subject in
      unlink("\(subject.scratch.path)/link")
      unlink(subject.path)
    },
  ]

  @Test(arguments: renamings)
  func filesThatKeepTheirContentsAreUnchanged(_ change: Change) throws {
    for (byteCount, isHashed) in [(3 << 20, true), (3 << 20, false), (1000, true), (1000, false)] {
      let subject = try Subject(byteCount: byteCount, isHashed: isHashed)
      try subject.watch.checkUnchanged()
      change.apply(subject)
      try subject.watch.checkUnchanged()
      subject.drop()
      try subject.watch.checkUnchanged()
    }
  }

  /// Small files, and the ends of larger ones.
  @Test(arguments: [(1000, 500), (1 << 20, 1 << 19), (3 << 20, 100), (3 << 20, 3 << 20 - 100)])
  func changesOfOtherFilesAreNoticed(byteCount: Int, offset: Int) throws {
    for isReplaced in [false, true] {
      let subject = try Subject(byteCount: byteCount, isHashed: false)
      subject.store(at: offset)
      if isReplaced { subject.replace() }
      subject.drop()
      #expect(throws: subject.changed) { try subject.watch.checkUnchanged() }
    }
  }

  @Test func timesTellOfWritesToOtherFiles() throws {
    let subject = try Subject(isHashed: false)
    Self.rewrite(subject.path)
    #expect(throws: subject.changed) { try subject.watch.checkUnchanged() }
  }

  @Test func contentsAreReadAgainWhereReadingGoesOn() throws {
    let subject = try Subject()
    try subject.watch.checkUnchanged()
    try subject.watch.checkUnchanged()
    subject.watch.readOn()
    try subject.watch.checkUnchanged()
    subject.watch.readOn()
    subject.store(at: Self.middle)
    #expect(throws: subject.changed) { try subject.watch.checkUnchanged() }
  }

  @Test func hashesAreTakenOnce() throws {
    let subject = try Subject()
    let file = try #require(subject.file)
    let digest = subject.watch.digest(of: [file]) {
      Issue.record("the hash is computed again")
      return SHA256.hash([])
    }
    #expect(digest == SHA256.hash([UInt8](repeating: 7, count: subject.byteCount)))
  }

  /// The hash of several files is that of their bytes one after the other.
  @Test(arguments: [nil, 0, 1] as [Int?])
  func filesThatAreHashedTogether(changed: Int?) throws {
    let (scratch, watch) = (Scratch(), FileWatch())
    let contents = [[UInt8](repeating: 1, count: 2 << 20), [UInt8](repeating: 2, count: 3 << 20)]
    var (paths, files) = ([String](), [WatchedFile]())
    for (number, bytes) in contents.enumerated() {
      let path = try scratch.file("shard-\(number)", bytes)
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      defer { close(descriptor) }
      paths.append(path)
      files.append(try watch.add(descriptor, path: path))
    }
    _ = watch.digest(of: files) { SHA256.hash(contents[0] + contents[1]) }
    files = []
    guard let changed else { return try watch.checkUnchanged() }
    Self.rewrite(paths[changed])
    unlink(paths[changed])
    // By the hash it cannot be told which of them it was.
    #expect(throws: FileError.changed(path: paths[0])) { try watch.checkUnchanged() }
  }

  @Test func pathsThatLeadToOtherContentsAreNoticed() throws {
    let subject = try Subject(byteCount: 1000)
    subject.replace()
    let descriptor = open(subject.path, O_RDONLY | O_CLOEXEC)
    defer { close(descriptor) }
    #expect(throws: subject.changed) { try subject.watch.add(descriptor, path: subject.path) }
    subject.watch.forget(subject.path)
    #expect(throws: Never.self) { try subject.watch.add(descriptor, path: subject.path) }
  }
}
