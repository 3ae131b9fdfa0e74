import CFiles
import Files
import Glibc
import Testing

/// What is visible of an output before it is complete, and what is removed of outputs of killed runs.
@Suite struct TemporaryNameTests {
  private static func folder() throws -> String {
    var template = Array("/tmp/quern-temporary-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&template))
    return String(cString: path)
  }

  private static func create(_ path: String) {
    close(open(path, O_WRONLY | O_CREAT, 0o600))
  }

  @Test func abandonedFilesAreRemovedAndOthersAreKept() throws {
    let folder = try Self.folder()
    let other = folder + "-elsewhere"
    Self.create(other)
    let kept = [
      // Another length, other characters, another ending, and no regular file of one name.
      ".quern-0123.tmp", ".quern-ABCDEFGHIJKLM.tmp", ".quern-0123456789abc.tmp2", "quern-0123456789abc.tmp",
      ".quern-link000000000.tmp", ".quern-hard000000000.tmp", ".quern-locked0000000.tmp", "target",
    ]
    for name in kept.prefix(4) { Self.create("\(folder)/\(name)") }
    symlink(other, "\(folder)/\(kept[4])")
    Self.create("\(folder)/target")
    link("\(folder)/target", "\(folder)/\(kept[5])")
    let locked = quern_create_locked("\(folder)/\(kept[6])")
    #expect(locked >= 0)
    for name in [".quern-0123456789abc.tmp", ".quern-zzzzzzzzzzzzz.tmp"] { Self.create("\(folder)/\(name)") }

    let file = try AtomicFile(path: "\(folder)/out")
    try file.write("text")
    try file.commit()

    #expect(try Set(Folder.names(in: folder)) == Set(kept + ["out"]))
    #expect(access(other, F_OK) == 0)
    close(locked)
  }

  @Test func nothingIsVisibleBeforeTheOutputIsComplete() throws {
    let folder = try Self.folder()
    let file = try AtomicFile(path: "\(folder)/out")
    try file.write("text")
    let before = try Folder.names(in: folder)
    let temporary = try #require(file.temporaryPath)
    let mapped = try MappedFile(path: temporary)
    #expect(mapped.withBytes { Array($0) } == Array("text".utf8))
    // Where the file system has no files without names, there is one of a known form.
    #expect(before.allSatisfy { $0.hasPrefix(".quern-") } && before.count <= 1)
    try file.commit()
    #expect(try Folder.names(in: folder) == ["out"])
    #expect(try MappedFile(path: "\(folder)/out").withBytes { Array($0) } == Array("text".utf8))
  }

  @Test func targetsAreCheckedWithoutCreatingAnything() throws {
    let folder = try Self.folder()
    let (link, fifo) = ("\(folder)/link", "\(folder)/fifo")
    symlink("nowhere", link)
    mkfifo(fifo, 0o600)
    #expect(throws: FileError.danglingLink(path: link)) { try AtomicFile.checkTarget(link) }
    #expect(throws: FileError.danglingLink(path: link)) { try AtomicFile(path: link) }
    #expect(throws: FileError.cannotCreate(path: folder, code: EISDIR)) { try AtomicFile.checkTarget(folder) }
    let missing = "\(folder)/missing/out"
    #expect(throws: FileError.cannotCreate(path: missing, code: ENOENT)) { try AtomicFile.checkTarget(missing) }
    // Opening it would wait for a reader that never comes.
    #expect(throws: FileError.cannotCreate(path: fifo, code: ENXIO)) { try AtomicFile(path: fifo) }
    try AtomicFile.checkTarget("\(folder)/new")
    try AtomicFile.checkTarget("/dev/null")
    #expect(try Set(Folder.names(in: folder)) == ["link", "fifo"])
  }
}
