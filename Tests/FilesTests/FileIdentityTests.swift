import Files
import Glibc
import Testing

/// What a path leads to.
@Suite struct FileIdentityTests {
  @Test func whatHasNoNameIsMissing() throws {
    let scratch = Scratch()
    let file = try scratch.file("file", [1])
    let long = String(repeating: "a", count: 300)
    for path in ["\(scratch.path)/none", "\(scratch.path)/none/file", "\(file)/below", "\(scratch.path)/\(long)", ""] {
      #expect(try FileIdentity.of(path)?.identity == nil, "\(path)")
      #expect(try FileIdentity.reachable(path)?.identity == nil, "\(path)")
    }
  }

  @Test func whatIsThereIsFoundThroughLinks() throws {
    let scratch = Scratch()
    let file = try scratch.file("file", [1])
    let (link, hardLink) = ("\(scratch.path)/link", "\(scratch.path)/hard")
    symlink("file", link)
    Glibc.link(file, hardLink)
    let identity = try #require(try FileIdentity.of(file)?.identity)
    #expect(try FileIdentity.of(file)?.kind == .regular)
    for path in [link, hardLink] {
      #expect(try FileIdentity.of(path)?.identity == identity)
      #expect(try FileIdentity.reachable(path)?.identity == identity)
    }
    #expect(try FileIdentity.of(scratch.path)?.kind == .folder)
    #expect(try FileIdentity.of("/dev/null")?.kind == .other)
  }

  @Test(arguments: ["none", "none/below", "file/below"])
  func linksToNothingAreErrors(target: String) throws {
    let scratch = Scratch()
    _ = try scratch.file("file", [1])
    let link = "\(scratch.path)/link"
    symlink(target, link)
    let error = #expect(throws: FileError.linkToNothing(path: link)) { try FileIdentity.of(link) }
    #expect(error?.kind == .missingInput)
    #expect(error?.path == link)
    #expect(error?.description.hasPrefix("\(link): is a symbolic link to a file that does not exist") == true)
    #expect(try FileIdentity.reachable(link)?.identity == nil)
  }

  @Test func linksInACircleAreErrors() throws {
    let scratch = Scratch()
    let link = "\(scratch.path)/link"
    symlink("link", link)
    for path in [link, "\(link)/below"] {
      let error = #expect(throws: FileError.cannotOpen(path: path, code: ELOOP)) { try FileIdentity.of(path) }
      #expect(error?.kind == .missingInput)
      #expect(try FileIdentity.reachable(path)?.identity == nil)
    }
  }

  @Test(.enabled(if: getuid() != 0)) func whatMayNotBeAccessedIsAnError() throws {
    let scratch = Scratch()
    let folder = "\(scratch.path)/folder"
    mkdir(folder, 0o700)
    defer { rmdir(folder) }
    let link = "\(scratch.path)/link"
    symlink("folder/file", link)
    chmod(folder, 0)
    defer { chmod(folder, 0o700) }
    for path in [link, "\(folder)/file"] {
      let error = #expect(throws: FileError.cannotOpen(path: path, code: EACCES)) { try FileIdentity.of(path) }
      #expect(error?.kind == .missingInput)
      #expect(try FileIdentity.reachable(path)?.identity == nil)
    }
  }

  /// They are refused where they are opened.
  @Test func outputsThatAreLinksToNothingAreNew() throws {
    let scratch = Scratch()
    let link = "\(scratch.path)/link"
    symlink("none", link)
    let folder = try #require(try FileIdentity.of(scratch.path)?.identity)
    #expect(try OutputTarget(path: link) == OutputTarget.new(folder: folder, name: ExactName("link")))
    #expect(throws: FileError.danglingLink(path: link)) { try AtomicFile.checkTarget(link) }
  }
}
