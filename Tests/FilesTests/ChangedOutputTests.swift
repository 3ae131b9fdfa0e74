import CFiles
import Files
import Glibc
import Testing

/// Outputs whose path leads to something else than when the work began.
@Suite struct ChangedOutputTests {
  struct Change: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Whether there is a file before.
    var replaces = false
    /// Changes what the path of an output leads to, given another file.
    let make: @Sendable (_ output: String, _ other: String) -> Void
  }

  private static func write(_ text: String, to path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    #expect(Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count)
    close(descriptor)
  }

  static let changes: [Change] = [
    Change(testDescription: "a file appears") { output, _ in write("precious", to: output) },
    Change(testDescription: "a link appears") { output, other in symlink(other, output) },
    Change(testDescription: "a link to nothing appears") { output, _ in symlink("none", output) },
    Change(testDescription: "a folder appears") { output, _ in mkdir(output, 0o700) },
    Change(testDescription: "a file takes its place", replaces: true) { output, other in rename(other, output) },
    Change(testDescription: "a link takes its place", replaces: true) { output, other in
      unlink(output)
      symlink(other, output)
    },
    Change(testDescription: "a folder takes its place", replaces: true) { output, _ in
      unlink(output)
      mkdir(output, 0o700)
    },
    Change(testDescription: "it is written", replaces: true) { output, _ in write("precious", to: output) },
    Change(testDescription: "it is removed", replaces: true) { output, _ in unlink(output) },
  ]

  /// What is in a folder, apart from temporary files.
  private static func state(_ scratch: Scratch) -> [String: [Int]] {
    var state: [String: [Int]] = [:]
    for name in scratch.names() where !AtomicFile.isTemporary(name) {
      var status = stat()
      #expect(lstat("\(scratch.path)/\(name)", &status) == 0)
      state[name] = [
        Int(status.st_ino), Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec, Int(status.st_mode),
      ]
    }
    return state
  }

  private static func prepare(_ change: Change, in scratch: Scratch) throws -> (output: String, other: String) {
    let output = "\(scratch.path)/out"
    if change.replaces { write("old", to: output) }
    return (output, try scratch.file("other", Array("precious".utf8)))
  }

  @Test(arguments: changes, [false, true])
  func nothingIsReplaced(change: Change, isNamed: Bool) throws {
    let scratch = Scratch()
    let (output, other) = try Self.prepare(change, in: scratch)
    defer { rmdir(output) }
    let file = try AtomicFile(path: output, calls: isNamed ? AtomicFileTests.namingCalls : AtomicFile.Calls())
    try file.write("new")
    change.make(output, other)
    let before = Self.state(scratch)
    let error = #expect(throws: FileError.outputChanged(path: output)) { try file.commit() }
    #expect(error?.kind == .cannotCreate)
    #expect(error?.description.hasPrefix("\(output): was changed during the run: another process") == true)
    #expect(Self.state(scratch) == before)
    #expect(!scratch.names().contains(where: AtomicFile.isTemporary))
  }

  /// A file that is created at the end of the work keeps to what was checked before.
  @Test(arguments: changes) func whatIsCheckedIsDecided(change: Change) throws {
    let scratch = Scratch()
    let (output, other) = try Self.prepare(change, in: scratch)
    defer { rmdir(output) }
    try AtomicFile.checkTarget(output)
    change.make(output, other)
    let before = Self.state(scratch)
    #expect(throws: FileError.outputChanged(path: output)) { try AtomicFile.write("new", to: output) }
    #expect(Self.state(scratch) == before)
  }

  @Test func whatWasWrittenMayBeReplaced() throws {
    let scratch = Scratch()
    let path = "\(scratch.path)/out"
    for text in ["first", "second"] {
      try AtomicFile.checkTarget(path)
      try AtomicFile.write(text, to: path)
    }
    try AtomicFile.write("third, which is longer", to: path)
    #expect(try MappedFile(path: path).byteCount == 22)
  }

  /// Backups set the times of files, which changes nothing.
  @Test func whatWasTouchedMayBeReplaced() throws {
    let scratch = Scratch()
    let path = try scratch.file("out", [1, 2])
    let file = try AtomicFile(path: path)
    try file.write("new")
    var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 2, tv_nsec: 0)]
    #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
    try file.commit()
    #expect(try MappedFile(path: path).byteCount == 3)
  }

  @Test func filesThatAppearLastStay() throws {
    let scratch = Scratch()
    let path = "\(scratch.path)/out"
    var calls = AtomicFile.Calls()
    let rename = calls.renameNew
    calls.renameNew = { from, to in
      Self.write("precious", to: String(cString: to))
      return rename(from, to)
    }
    let file = try AtomicFile(path: path, calls: calls)
    try file.write("new")
    #expect(throws: FileError.outputChanged(path: path)) { try file.commit() }
    #expect(scratch.names() == ["out"])
    #expect(try MappedFile(path: path).byteCount == 8)
  }

  @Test func filesAreRenamedToNewPathsOnly() throws {
    let scratch = Scratch()
    let (from, to) = (try scratch.file("from", [1]), "\(scratch.path)/to")
    #expect(quern_rename_new(from, to) == 0)
    #expect(scratch.names() == ["to"])
    let second = try scratch.file("from", [2])
    #expect(quern_rename_new(second, to) == -1)
    #expect(errno == EEXIST)
    #expect(scratch.names() == ["from", "to"])
  }

  @Test(arguments: [false, true], [false, true]) func otherFoldersStay(replaces: Bool, isNamed: Bool) throws {
    let scratch = Scratch()
    let (folder, moved, other) = ("\(scratch.path)/a", "\(scratch.path)/moved", "\(scratch.path)/b")
    for path in [folder, other] { mkdir(path, 0o700) }
    defer {
      for path in ["\(moved)/out", "\(other)/out"] { unlink(path) }
      for path in [moved, other] { rmdir(path) }
    }
    if replaces { for path in [folder, other] { Self.write("old", to: "\(path)/out") } }
    let file = try AtomicFile(
      path: "\(folder)/out", calls: isNamed ? AtomicFileTests.namingCalls : AtomicFile.Calls())
    try file.write("new")
    rename(folder, moved)
    symlink("b", folder)
    #expect(throws: FileError.outputChanged(path: "\(folder)/out")) { try file.commit() }
    for path in [moved, other] { #expect(try Folder.names(in: path) == (replaces ? ["out"] : []), "\(path)") }
    if replaces { #expect(try MappedFile(path: "\(other)/out").withBytes { Array($0) } == Array("old".utf8)) }
  }

  @Test func devicesStayWhatTheyWere() throws {
    let scratch = Scratch()
    let path = "\(scratch.path)/pipe"
    mkfifo(path, 0o600)
    let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    defer { close(reader) }
    try AtomicFile.checkTarget(path)
    unlink(path)
    Self.write("precious", to: path)
    #expect(throws: FileError.outputChanged(path: path)) { try AtomicFile.write("new", to: path) }
    #expect(try MappedFile(path: path).byteCount == 8)
  }
}

/// Names whose bytes tell them apart.
@Suite struct ExactNameTests {
  private static let names = ["caf\u{E9}", "cafe\u{301}"]

  @Test func canonicallyEquivalentNamesDiffer() throws {
    #expect(Self.names[0] == Self.names[1])
    #expect(Set(Self.names.map(ExactName.init)).count == 2)
    let scratch = Scratch()
    let targets = try Self.names.map { try OutputTarget(path: "\(scratch.path)/\($0)") }
    #expect(targets[0] != nil && targets[0] != targets[1])
  }

  @Test func eachIsWatchedByItself() throws {
    let (scratch, watch) = (Scratch(), FileWatch())
    for (index, name) in Self.names.enumerated() {
      let path = try scratch.file(name, [UInt8](repeating: 7, count: index + 1))
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      defer { close(descriptor) }
      #expect(throws: Never.self) { try watch.add(descriptor, path: path) }
    }
  }

  /// A mark at the start of a name combines with the slash before it to one character of Swift's.
  @Test func namesMayBeginWithMarks() throws {
    let scratch = Scratch()
    let path = "\(scratch.path)/\u{301}out"
    let folder = try #require(try FileIdentity.of(scratch.path)?.identity)
    #expect(try OutputTarget(path: path) == OutputTarget.new(folder: folder, name: ExactName("\u{301}out")))
    try AtomicFile.write("new", to: path)
    #expect(try MappedFile(path: path).byteCount == 3)
    #expect(throws: ConfinementError.escapes) {
      try MappedFile.confined(to: scratch.path, location: "a/../\u{301}out")
    }
  }

  /// No string holds the name, and the nearest one is that of another file.
  @Test func linksToNamesThatAreNotTextAreRefused() throws {
    let scratch = Scratch()
    let link = "\(scratch.path)/link"
    let content = [CChar(bitPattern: 0xFF), 0]
    let target = Array("\(scratch.path)/".utf8CString.dropLast()) + content
    close(open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
    defer { unlink(target) }
    _ = try scratch.file("\u{FFFD}", [1, 2])
    symlink(content, link)
    #expect(throws: FileError.linkNotText(path: link)) { try AtomicFile.checkTarget(link) }
    let error = #expect(throws: FileError.linkNotText(path: link)) { try AtomicFile(path: link) }
    #expect(error?.kind == .cannotCreate)
  }
}
