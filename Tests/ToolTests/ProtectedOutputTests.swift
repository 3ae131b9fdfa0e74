import Foundation
import Glibc
import Testing

/// Outputs that no file can be renamed to are refused before any work is done, and all others are written.
@Suite struct ProtectedOutputTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String { "\(setup); \(output)" }
    /// A script of the shell.
    let setup: String
    /// What the tool is run by.
    let runner: String
    let output: String
    /// What the message must name; `nil` where the output is written.
    var mentions: String?
    /// A script of the shell.
    var cleanup = ":"
  }

  /// Whether a script of the shell works here, in a folder of its own. In it, `"$@"` prints the tool's version.
  private static func works(_ script: String) -> Bool {
    guard let scratch = try? Scratch() else { return false }
    return (try? Tool.shell("{ \(script); }", ["--version"], in: scratch))?.status == 0
  }

  /// Runs the tool with an output. A conversion whose inputs are missing fails with another status after its outputs
  /// have been checked, and a golden program needs no input.
  private static func expect(_ test: Case) throws {
    let scratch = try Scratch()
    let arguments = test.mentions == nil ? ["golden", "--quiet"] : ["convert", "none.pth", "--calibration", "none"]
    let script = """
      {
      \(test.setup)
      \(test.runner) "$@" -o \(test.output)
      status=$?
      \(test.cleanup)
      exit $status
      }
      """
    let outcome = try Tool.shell(script, arguments, in: scratch)
    if let mentions = test.mentions {
      #expect(outcome.status == 73, "\(outcome)")
      #expect(outcome.errors.contains("\(test.output): ") && outcome.errors.contains(mentions), "\(outcome.errors)")
    } else {
      #expect(outcome.status == 0, "\(outcome)")
    }
    let names = try FileManager.default.subpathsOfDirectory(atPath: scratch.folder.path)
    #expect(!names.contains { $0.contains(".quern-") }, "\(names)")
  }

  // MARK: - Other users

  private static let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
  private static let canBecomeNobody = works(": > file && chown 65534 file && \(nobody) \"$@\"")

  private static let usersCases: [Case] = [
    Case(
      setup: "mkdir s; : > s/a.quern; chmod 666 s/a.quern; chmod 1777 s", runner: nobody, output: "s/a.quern",
      mentions: "sticky bit"),
    Case(
      setup: "mkdir s; : > s/a.quern; chmod 666 s/a.quern; chmod 1777 s; ln -s s/a.quern a.quern", runner: nobody,
      output: "a.quern", mentions: "sticky bit"),
    Case(
      setup: "mkdir s; : > s/a.quern; chmod 666 s/a.quern", runner: nobody, output: "s/a.quern",
      mentions: "Permission denied"),
    // New files, files of one's own, and files in folders of one's own or without the bit.
    Case(setup: "mkdir s; chmod 1777 s", runner: nobody, output: "s/g.py"),
    Case(setup: "mkdir s; : > s/g.py; chown 65534 s/g.py; chmod 1777 s", runner: nobody, output: "s/g.py"),
    Case(
      setup: "mkdir s; : > s/g.py; chmod 666 s/g.py; chmod 1777 s; chown 65534 s", runner: nobody, output: "s/g.py"),
    Case(setup: "mkdir s; : > s/g.py; chmod 666 s/g.py; chmod 777 s", runner: nobody, output: "s/g.py"),
    // The superuser may replace every file.
    Case(
      setup: "mkdir s; : > s/g.py; chown 65534 s s/g.py; chmod 666 s/g.py; chmod 1777 s", runner: "", output: "s/g.py"),
  ]

  @Test(.enabled(if: canBecomeNobody, "only the superuser can become another user"), arguments: usersCases)
  func filesOfOthersStayInStickyFolders(_ test: Case) throws { try Self.expect(test) }

  // MARK: - Attributes

  private static let hasAttributes = works(": > file && chattr +a file && chattr -a file")

  private static let attributeCases: [Case] = [
    Case(
      setup: "mkdir s; : > s/a.quern; chattr +a s", runner: "", output: "s/a.quern",
      mentions: "its folder is immutable",
      cleanup: "chattr -a s"),
    Case(
      setup: "mkdir s; chattr +a s", runner: "", output: "s/a.quern", mentions: "its folder is immutable",
      cleanup: "chattr -a s"),
    Case(
      setup: "mkdir s; : > s/a.quern; chattr +i s", runner: "", output: "s/a.quern",
      mentions: "its folder is immutable",
      cleanup: "chattr -i s"),
    Case(
      setup: ": > a.quern; chattr +a a.quern", runner: "", output: "a.quern", mentions: "may only be appended to",
      cleanup: "chattr -a a.quern"),
    Case(
      setup: ": > a.quern; chattr +i a.quern", runner: "", output: "a.quern", mentions: "it is immutable",
      cleanup: "chattr -i a.quern"),
    // Another file of the folder.
    Case(
      setup: ": > a.quern; chattr +i a.quern", runner: "", output: "g.py", cleanup: "chattr -i a.quern"),
  ]

  @Test(
    .enabled(if: hasAttributes, "the file system or this user has no attributes of files"), arguments: attributeCases)
  func fixedFilesAndFoldersStayAsTheyAre(_ test: Case) throws { try Self.expect(test) }

  // MARK: - Mounts

  /// What gives a process mounts of its own; `nil` where it may not have any.
  private static let unshare = ["unshare -m", "unshare -rm"].first {
    works(": > file && \(mounting("file", to: "file", by: $0)) \"$@\"")
  }

  private static func mounting(_ source: String, to target: String, by unshare: String) -> String {
    "\(unshare) sh -c 'mount --bind \(source) \(target) && exec \"$@\"' sh"
  }

  private static let mountCases: [Case] = {
    let own = unshare ?? ""
    return [
      Case(
        setup: ": > a.quern; : > b.quern", runner: mounting("b.quern", to: "a.quern", by: own), output: "a.quern",
        mentions: "mount point"),
      Case(
        setup: ": > b.quern; ln -s b.quern a.quern", runner: mounting("b.quern", to: "b.quern", by: own),
        output: "a.quern", mentions: "mount point"),
      // The file that is mounted elsewhere, and files in folders that are mounted.
      Case(setup: ": > a.py; : > b.py", runner: mounting("b.py", to: "a.py", by: own), output: "b.py"),
      Case(setup: "mkdir s t; : > s/g.py", runner: mounting("s", to: "t", by: own), output: "t/g.py"),
      Case(setup: "mkdir s t", runner: mounting("s", to: "t", by: own), output: "t/g.py"),
    ]
  }()

  @Test(.enabled(if: unshare != nil, "this user may not mount anything"), arguments: mountCases)
  func mountPointsStayAsTheyAre(_ test: Case) throws { try Self.expect(test) }

  // MARK: - Folders of stages

  @Test(arguments: ["file", "file/below"])
  func foldersOfStagesAreChecked(folder: String) throws {
    let scratch = try Scratch()
    _ = try scratch.write(Data("keep me".utf8), to: "file")
    let outcome = try Tool.run([
      "convert", scratch.path("none.pth"), "--calibration", scratch.path("none"), "-o", scratch.path("a.quern"),
      "--resume", scratch.path(folder),
    ])
    #expect(outcome.status == 73 && outcome.errors.contains("\(scratch.path(folder)): cannot be created"), "\(outcome)")
  }
}

/// Paths of open files, and paths that begin like them.
@Suite struct DescriptorOutputTests {
  @Test(arguments: ["/dev/fd/../cwd/setup.py", "/proc/self/fd/../cwd/setup.py", "/proc/self/cwd/setup.py"])
  func otherFilesAreNotReplaced(path: String) throws {
    let scratch = try Scratch()
    let file = try scratch.write(Data("precious".utf8), to: "setup.py")
    let outcome = try Tool.shell("\"$@\"", ["golden", "-o", path], in: scratch)
    #expect(outcome.status == 64 && outcome.errors.contains("not a program of 'quern golden'"), "\(outcome)")
    #expect(FileManager.default.contents(atPath: file) == Data("precious".utf8))
  }

  /// The shell's file is written to, whatever it is called, and has no file of names beside it.
  @Test func whatTheShellHasOpenedIsWritten() throws {
    let scratch = try Scratch()
    let image = "\(Tool.photographs)/cat-00.jpg"
    let outcome = try Tool.shell(
      "\"$@\" > rows.dat",
      ["embed", Tool.checkpoint, image, "--size", "32", "--format", "npy", "-o", "/dev/stdout", "--quiet"],
      in: scratch)
    #expect(outcome.status == 0, "\(outcome)")
    let rows = try #require(FileManager.default.contents(atPath: scratch.path("rows.dat")))
    #expect(rows.starts(with: [0x93] + Array("NUMPY".utf8)))
    #expect(!FileManager.default.fileExists(atPath: "/dev/stdout.json"))
  }

  /// The shell's file can be an input.
  @Test func anInputIsNotWrittenTo() throws {
    let scratch = try Scratch()
    let script = "{ : > model.pth; \"$@\" >> model.pth; }"
    let outcome = try Tool.shell(script, ["embed", "model.pth", "photos", "-o", "/dev/stdout"], in: scratch)
    #expect(outcome.status == 64 && outcome.errors.contains("would replace"), "\(outcome)")
  }
}

/// Sockets in the places of files are treated as pipes are.
@Suite struct SocketInputTests {
  @Test(arguments: [true, false])
  func socketsAndPipesAreNoFiles(isSocket: Bool) throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(at: scratch.url("photos"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: "\(Tool.photographs)/cat-00.jpg", toPath: scratch.path("photos/cat-00.jpg"))
    for name in ["photos/x.jpg", "x.npy"] {
      #expect(mknod(scratch.path(name), (isSocket ? S_IFSOCK : S_IFIFO) | 0o600, 0) == 0)
    }
    let embed = ["embed", Tool.checkpoint, scratch.path("photos"), "--size", "32", "-o", scratch.path("rows.npy")]
    let refused = try Tool.run(embed)
    #expect(refused.status == 65 && refused.errors.contains("x.jpg: not a regular file"), "\(refused)")
    let skipped = try Tool.run(embed + ["--skip-bad-images"])
    #expect(skipped.status == 0, "\(skipped)")
    let compared = try Tool.run(["compare", scratch.path("x.npy"), scratch.path("x.npy")])
    #expect(compared.status == 66 && compared.errors.contains("x.npy: is a device or a pipe"), "\(compared)")
  }
}
