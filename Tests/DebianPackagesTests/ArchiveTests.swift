import DebianPackages
import Foundation
import Testing

/// Archives as other programs read them: ar of binutils may be missing, and dpkg-deb too, so that members are cut out by
/// the layout in deb(5), and tar and gzip do the rest.
@Suite struct ArchiveTests {
  private static func package(_ change: (inout DebianPackage) -> Void = { _ in }) throws -> DebianPackage {
    var package = DebianPackage(
      name: try DebianName("weights"), version: try DebianVersion("1.0"),
      maintainer: try DebianMaintainer("Ada <ada@example.org>"), dependencies: "libquern0", synopsis: "int8 weights",
      explanation: ["First.", "", "Second."], change: "Weights.", copyright: "Copyright: nobody\n",
      files: [
        DebianPackage.File(path: "usr/share/quern/models/weights.quern", contents: Array(repeating: 7, count: 100_000)),
        DebianPackage.File(path: "usr/share/quern/models/empty", contents: []),
      ], time: 1_767_225_600)
    change(&package)
    return package
  }

  /// The members of an ar archive, by deb(5).
  private static func members(_ bytes: [UInt8]) throws -> [(name: String, contents: [UInt8])] {
    try #require(Array(bytes.prefix(8)) == Array("!<arch>\n".utf8))
    var (result, offset) = ([(String, [UInt8])](), 8)
    while offset < bytes.count {
      let header = String(decoding: bytes[offset..<offset + 60], as: UTF8.self)
      try #require(header.hasSuffix("`\n"))
      let fields = header.split(separator: " ").map(String.init)
      let size = try #require(Int(fields[5]))
      #expect(Array(fields[1...4]) == ["1767225600", "0", "0", "100644"])
      result.append((fields[0], Array(bytes[offset + 60..<offset + 60 + size])))
      offset += 60 + size + size % 2
    }
    return result
  }

  private static func tar(_ arguments: [String], _ archive: [UInt8]) throws -> String {
    try run(["tar", "--utc", "-z"] + arguments + ["-f"], archive)
  }

  /// What a command prints that gets the path of an archive as its last argument.
  private static func run(_ command: [String], _ archive: [UInt8]) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("quern-tar-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("archive")
    try Data(archive).write(to: file)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command + [file.path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return String(decoding: data, as: UTF8.self)
  }

  @Test func tarReadsTheFiles() throws {
    let members = try Self.members(try Self.package().encoded())
    #expect(members.map(\.name) == ["debian-binary", "control.tar.gz", "data.tar.gz"])
    #expect(members[0].contents == Array("2.0\n".utf8))
    let lines = try Self.tar(["-tv"], members[2].contents).split(separator: "\n").map { line in
      line.split(separator: " ").map(String.init)
    }
    #expect(
      lines.map { $0[5] } == [
        "./", "./usr/", "./usr/share/", "./usr/share/doc/", "./usr/share/doc/weights/",
        "./usr/share/doc/weights/changelog.gz", "./usr/share/doc/weights/copyright", "./usr/share/quern/",
        "./usr/share/quern/models/", "./usr/share/quern/models/empty", "./usr/share/quern/models/weights.quern",
      ])
    #expect(Set(lines.map { $0[1] }) == ["root/root"])
    #expect(Set(lines.map { $0[3] + $0[4] }) == ["2026-01-0100:00"])
    #expect(lines.allSatisfy { $0[0] == ($0[5].hasSuffix("/") ? "drwxr-xr-x" : "-rw-r--r--") })
    #expect(lines.last?[2] == "100000")
  }

  @Test func controlHasTheFields() throws {
    let members = try Self.members(try Self.package().encoded())
    let control = try Self.tar(["-xO"], members[1].contents)
    #expect(
      control == """
        Package: weights
        Version: 1.0
        Architecture: all
        Multi-Arch: foreign
        Maintainer: Ada <ada@example.org>
        Installed-Size: 98
        Depends: libquern0
        Section: science
        Priority: optional
        Description: int8 weights
         First.
         .
         Second.

        """)
  }

  /// Versions with a revision have the changelog under another name (Debian Policy 12.7).
  @Test(arguments: [("1.0", "changelog.gz"), ("1.0-2", "changelog.Debian.gz")])
  func changelogsAreDated(version: String, name: String) throws {
    let parsed = try DebianVersion(version)
    let members = try Self.members(try Self.package { $0.version = parsed }.encoded())
    let script = "tar -xzO ./usr/share/doc/weights/\(name) -f \"$1\" | gzip -dc"
    #expect(
      try Self.run(["sh", "-c", script, "sh"], members[2].contents) == """
        weights (\(version)) unstable; urgency=medium

          * Weights.

         -- Ada <ada@example.org>  Thu, 01 Jan 2026 00:00:00 +0000

        """)
  }

  @Test func sameInputGivesSameBytes() throws {
    #expect(try Self.package().encoded() == Self.package().encoded())
    #expect(try Self.package { $0.time += 1 }.encoded() != Self.package().encoded())
  }

  @Test func longPathsAreRefused() throws {
    let long = try Self.package {
      $0.files.append(DebianPackage.File(path: "usr/" + String(repeating: "a", count: 100), contents: []))
    }
    #expect(throws: DebianError.self) { try long.encoded() }
  }
}
