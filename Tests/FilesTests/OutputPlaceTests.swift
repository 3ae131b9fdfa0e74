import Files
import Glibc
import Testing

/// Where outputs may go, which is decided before anything is created. `ProtectedOutputTests` has what needs mounts and
/// other users.
@Suite struct OutputPlaceTests {
  /// Both checks refuse a path, and nothing is created.
  private static func expectRefused(_ path: String, _ code: Int32) {
    #expect(throws: FileError.cannotCreate(path: path, code: code)) { try AtomicFile.checkTarget(path) }
    #expect(throws: FileError.cannotCreate(path: path, code: code)) { try AtomicFile(path: path) }
  }

  @Test func whatIsNoFileIsRefused() throws {
    let scratch = Scratch()
    let socket = try scratch.file("socket")
    #expect(mknod(socket, S_IFSOCK | 0o600, 0) == 0)
    Self.expectRefused(socket, ENXIO)
    Self.expectRefused(scratch.path, EISDIR)
    Self.expectRefused("", ENOENT)
    Self.expectRefused("\(scratch.path)/none/", ENOENT)
    Self.expectRefused("\(scratch.path)/none/out", ENOENT)
    #expect(scratch.names() == ["socket"])
  }

  /// No path opens one, as an input either.
  @Test func socketsAreNoInputs() throws {
    let scratch = Scratch()
    let socket = try scratch.file("socket")
    #expect(mknod(socket, S_IFSOCK | 0o600, 0) == 0)
    #expect(throws: FileError.notRegular(path: socket)) { try MappedFile(path: socket) }
    #expect(throws: ConfinementError.file(.notRegular(path: socket))) {
      try MappedFile.confined(to: scratch.path, location: "socket")
    }
  }

  @Test func descriptorsAreWrittenWhereTheyStand() throws {
    let scratch = Scratch()
    let (path, link) = (try scratch.file("out", Array("first".utf8)), "\(scratch.path)/link")
    let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    defer { close(descriptor) }
    symlink("/dev/fd/\(descriptor)", link)
    let identity = try #require(try FileIdentity.of(path)?.identity)
    let names = ["/dev/fd/", "/dev/./fd//", "/proc/self/fd/", "/proc/thread-self/fd/"].map { "\($0)\(descriptor)" }
    for name in names + [link] {
      #expect(try OutputTarget(path: name) == nil, "\(name)")
      let file = try AtomicFile(path: name)
      #expect(file.temporaryPath == nil, "\(name)")
      try file.write(", more")
      try file.commit()
    }
    #expect(try FileIdentity.of(path)?.identity == identity)
    let text = try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) }
    #expect(text == "first, more, more, more, more, more")
  }

  @Test func descriptorsMustBeOpenForWriting() throws {
    let scratch = Scratch()
    let descriptor = open(try scratch.file("in", [1]), O_RDONLY | O_CLOEXEC)
    defer { close(descriptor) }
    Self.expectRefused("/dev/fd/\(descriptor)", EBADF)
    Self.expectRefused("/dev/fd/9999", EBADF)
  }

  /// What begins like the path of a descriptor can be any path.
  @Test func otherPathsAreThoseOfFiles() throws {
    let here = try #require(try FileIdentity.of(".")?.identity)
    let name = "quern-none-\(getpid())"
    for folder in ["/dev/fd/../cwd/", "/proc/self/fd/../cwd/", "/proc/self/cwd/"] {
      let new = OutputTarget.new(folder: here, name: ExactName(name))
      #expect(try OutputTarget(path: folder + name) == new, "\(folder)")
    }
  }

  @Test func foldersAreCheckedWithoutCreatingAnything() throws {
    let scratch = Scratch()
    let (file, link) = (try scratch.file("file", [1]), "\(scratch.path)/link")
    symlink("none", link)
    for path in [scratch.path, "\(scratch.path)/a", "\(scratch.path)/a//b/c/", "."] {
      #expect(throws: Never.self, "\(path)") { try Folder.checkTarget(path) }
    }
    for path in [file, "\(file)/below", link, "\(link)/below"] {
      #expect(throws: FileError.cannotCreate(path: path, code: ENOTDIR)) { try Folder.checkTarget(path) }
    }
    #expect(throws: FileError.cannotCreate(path: "", code: ENOENT)) { try Folder.checkTarget("") }
    #expect(scratch.names() == ["file", "link"])
  }

  @Test(.enabled(if: geteuid() != 0, "the superuser may write to every folder"))
  func foldersOfWritableFilesMustBeWritable() throws {
    let scratch = Scratch()
    let folder = "\(scratch.path)/folder"
    mkdir(folder, 0o700)
    defer { rmdir(folder) }
    let path = try scratch.file("folder/out", [1])
    defer { unlink(path) }
    chmod(folder, 0o500)
    defer { chmod(folder, 0o700) }
    Self.expectRefused(path, EACCES)
    let below = "\(folder)/below"
    #expect(throws: FileError.cannotCreate(path: below, code: EACCES)) { try Folder.checkTarget(below) }
  }

  @Test(
    arguments: [
      (.mountPoint, "it is a mount point"), (.fileOfAnotherUser, "sticky bit"),
      (.fixedFile, "it is immutable, or may only be appended to"),
      (.fixedFolder, "its folder is immutable, or may only be added to"),
    ] as [(FileError.Obstacle, String)])
  func obstaclesAreNamed(obstacle: FileError.Obstacle, text: String) {
    let error = FileError.cannotReplace(path: "a.quern", obstacle)
    #expect(error.kind == .cannotCreate && error.path == "a.quern")
    #expect(error.description.hasPrefix("a.quern: cannot be replaced: ") && error.description.contains(text))
  }
}

/// Paths that lead to one file and then to another, wherever they lie.
@Suite struct SwitchedPathTests {
  @Test(arguments: [
    "/dev/shm/model.quern", "/dev/shm", "/dev/fd/3", "/proc/self/fd/3", "/proc/1/fd/3", "/proc/1/root/model.quern",
    "/tmp/model.quern", "model.quern",
  ])
  func otherFilesAreNoticed(path: String) throws {
    let (scratch, watch) = (Scratch(), FileWatch())
    for name in ["old", "new"] { _ = try scratch.file(name, Array(name.utf8)) }
    /// Opens a file as if the path had led to it.
    func add(_ name: String) throws -> WatchedFile {
      let descriptor = open("\(scratch.path)/\(name)", O_RDONLY | O_CLOEXEC)
      defer { close(descriptor) }
      return try watch.add(descriptor, path: path)
    }
    for _ in 0..<2 { _ = try add("old") }
    #expect(throws: FileError.changed(path: path)) { try add("new") }
    // Where this process itself closes a descriptor, its number is that of another file.
    watch.forget(path)
    #expect(throws: Never.self) { try add("new") }
  }
}
