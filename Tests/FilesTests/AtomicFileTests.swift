import Files
import Glibc
import Testing

@Suite struct AtomicFileTests {
  @Test func appearsOnlyWhenCommitted() throws {
    let scratch = Scratch()
    let path = try scratch.file("out")
    let file = try AtomicFile(path: path)
    try file.write("half ")
    #expect(!scratch.names().contains("out"))
    try file.write("whole")
    try file.commit()
    #expect(scratch.names() == ["out"])
    #expect(file.byteCount == 10)
    #expect(try text(of: path) == "half whole")
    #expect(throws: FileError.cannotWrite(path: path, code: EBADF)) { try file.write("more") }
  }

  /// The calls on a file system on which a file always has a name.
  static var namingCalls: AtomicFile.Calls {
    var calls = AtomicFile.Calls()
    calls.openUnnamed = { _ in -1 }
    return calls
  }

  @Test func leavesNothingWithoutCommit() throws {
    let scratch = Scratch()
    let path = try scratch.file("out", Array("old".utf8))
    do {
      let file = try AtomicFile(path: path, calls: Self.namingCalls)
      try file.write("new")
      #expect(scratch.names().count == 2)
    }
    #expect(scratch.names() == ["out"])
    #expect(try text(of: path) == "old")
  }

  @Test func keepsTheModeAndFollowsLinks() throws {
    let scratch = Scratch()
    let path = try scratch.file("out", [1])
    chmod(path, 0o640)
    let link = "\(scratch.path)/link"
    symlink("out", link)
    let file = try AtomicFile(path: link)
    try file.write([7, 8])
    try file.commit()
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640 && status.st_size == 2)
    #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
  }

  @Test func whatCannotBeCreatedSaysWhy() throws {
    let scratch = Scratch()
    let missing = "\(scratch.path)/no/out"
    #expect(throws: FileError.cannotCreate(path: missing, code: ENOENT)) { try AtomicFile(path: missing) }
    #expect(throws: FileError.cannotCreate(path: scratch.path, code: EISDIR)) { try AtomicFile(path: scratch.path) }
    #expect(throws: FileError.cannotCreate(path: "", code: ENOENT)) { try AtomicFile(path: "") }
    #expect(FileError.cannotCreate(path: "x", code: EACCES).kind == .cannotCreate)
  }

  @Test func fullDeviceIsAWriteError() throws {
    let file = try AtomicFile(path: "/dev/full")
    let error = #expect(throws: FileError.cannotWrite(path: "/dev/full", code: ENOSPC)) { try file.write([1]) }
    #expect(error?.kind == .inputOutput)
    let null = try AtomicFile(path: "/dev/null")
    try null.write([1, 2])
    try null.commit()
  }

  @Test func openDescriptorIsWrittenWhereItStands() throws {
    let scratch = Scratch()
    let path = try scratch.file("out", Array("first ".utf8))
    let descriptor = open(path, O_WRONLY | O_APPEND)
    defer { close(descriptor) }
    let file = try AtomicFile(path: "/dev/fd/\(descriptor)")
    try file.write("second")
    try file.commit()
    #expect(try text(of: path) == "first second")
    #expect(throws: FileError.cannotCreate(path: "/dev/fd/9999", code: EBADF)) { try AtomicFile(path: "/dev/fd/9999") }
  }

  enum Fault: CaseIterable { case firstWrite, laterWrite, shortWrite, fsync, close, rename }

  @Test(arguments: Fault.allCases) func faultLeavesTheOldFileAndNothingElse(fault: Fault) throws {
    let scratch = Scratch()
    let path = try scratch.file("out", Array("old".utf8))
    var calls = AtomicFile.Calls()
    var writes = 0
    func fail(_ code: Int32) -> Int32 {
      errno = code
      return -1
    }
    let write = calls.write
    calls.write = { descriptor, bytes, count in
      writes += 1
      return switch fault {
      case .firstWrite: Int(fail(EIO))
      case .laterWrite where writes > 1: Int(fail(ENOSPC))
      case .shortWrite where writes > 1: 0
      default: write(descriptor, bytes, max(count / 2, 1))
      }
    }
    if fault == .fsync { calls.fsync = { _ in fail(EIO) } }
    if fault == .rename { calls.rename = { _, _ in fail(EXDEV) } }
    let close = calls.close
    if fault == .close { calls.close = { close($0) == 0 ? fail(EDQUOT) : 0 } }
    let error = #expect(throws: FileError.self) {
      let file = try AtomicFile(path: path, calls: calls)
      try file.write("new contents")
      try file.commit()
    }
    #expect(error?.kind == .inputOutput)
    #expect(scratch.names() == ["out"])
    #expect(try text(of: path) == "old")
  }

  @Test func interruptedAndPartialWritesAreContinued() throws {
    let scratch = Scratch()
    let path = try scratch.file("out")
    var calls = AtomicFile.Calls()
    var turn = 0
    let write = calls.write
    calls.write = { descriptor, bytes, count in
      turn += 1
      guard turn % 2 == 0 else {
        errno = EINTR
        return -1
      }
      return write(descriptor, bytes, 1)
    }
    let file = try AtomicFile(path: path, calls: calls)
    try file.write("slowly")
    try file.commit()
    #expect(try text(of: path) == "slowly")
  }

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func signalRemovesTheTemporary(number: Int32, status: Int32) throws {
    let scratch = Scratch()
    let file = try AtomicFile(path: try scratch.file("out"), calls: Self.namingCalls)
    try file.write("half")
    #expect(scratch.names().count == 1)
    let temporary = Array("\(scratch.path)/\(scratch.names()[0])".utf8CString)
    // The child has a copy of the table of temporaries; like the handler, it may only make async-signal-safe calls.
    let child = forkProcess()
    if child == 0 {
      TemporaryFiles.forgetAll(but: temporary)  // other tests run at the same time
      AtomicFile.removeTemporariesOnSignals()
      var all = sigset_t()
      sigfillset(&all)
      sigprocmask(SIG_UNBLOCK, &all, nil)  // the test runs on a worker thread, which blocks them
      raise(number)
      _exit(0)
    }
    var result: Int32 = 0
    #expect(waitpid(child, &result, 0) == child)
    #expect(result == status << 8)
    #expect(scratch.names() == [])
  }
}

/// Swift hides `fork`, which is harmless where the child only raises a signal.
@_silgen_name("fork") private func forkProcess() -> pid_t

private func text(of path: String) throws -> String {
  try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) }
}
