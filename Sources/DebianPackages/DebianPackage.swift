/// A Debian package (deb(5)) of files that are the same on all architectures. Its bytes depend only on these values and
/// on the version of zlib.
package struct DebianPackage: Sendable {
  /// A file of the package.
  package struct File: Sendable {
    /// The path in the target system, without a leading slash.
    package let path: String
    /// The contents of the file.
    package let contents: [UInt8]

    package init(path: String, contents: [UInt8]) { (self.path, self.contents) = (path, contents) }
  }

  /// The name of the package.
  package var name: DebianName
  /// The version of the package.
  package var version: DebianVersion
  /// Who answers for the package.
  package var maintainer: DebianMaintainer
  /// The packages that this one needs, in the syntax of Debian Policy 7.1.
  package var dependencies: String
  /// One line that says what the package is, without a full stop.
  package var synopsis: String
  /// The lines of the description, of at most 79 characters. An empty one separates paragraphs, and lines that start
  /// with a space are not wrapped.
  package var explanation: [String]
  /// One sentence for the changelog.
  package var change: String
  /// What /usr/share/doc/NAME/copyright contains.
  package var copyright: String
  /// The files, apart from those in /usr/share/doc.
  package var files: [File]
  /// The time of all files and of the entry in the changelog, in seconds since 1970.
  package var time: Int

  package init(
    name: DebianName, version: DebianVersion, maintainer: DebianMaintainer, dependencies: String, synopsis: String,
    explanation: [String], change: String, copyright: String, files: [File], time: Int
  ) {
    self.name = name
    self.version = version
    self.maintainer = maintainer
    self.dependencies = dependencies
    self.synopsis = synopsis
    self.explanation = explanation
    self.change = change
    self.copyright = copyright
    self.files = files
    self.time = time
  }

  /// The bytes of the .deb file.
  ///
  /// - Throws: `DebianError.cannotStore` where a file is too long for the format.
  package func encoded() throws(DebianError) -> [UInt8] {
    let documentation = "usr/share/doc/\(name.text)"
    let changelogName = version.isNative ? "changelog.gz" : "changelog.Debian.gz"
    let all =
      (files + [
        File(path: "\(documentation)/copyright", contents: Array(copyright.utf8)),
        File(path: "\(documentation)/\(changelogName)", contents: try Gzip.compress(Array(changelog.utf8))),
      ]).sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    var data = TarArchive(time: time)
    var folders: Set<String> = []
    for file in all {
      for folder in Self.folders(of: file.path) where folders.insert(folder).inserted { try data.addFolder(folder) }
      let result = file.contents.withUnsafeBytes { bytes in
        Result { () throws(DebianError) in try data.addFile("./\(file.path)", bytes) }
      }
      try result.get()
    }
    var control = TarArchive(time: time)
    try control.addFolder("./")
    let fields = Array(self.fields(installedBytes: all.reduce(0) { $0 + $1.contents.count }).utf8)
    let result = fields.withUnsafeBytes { bytes in
      Result { () throws(DebianError) in try control.addFile("./control", bytes) }
    }
    try result.get()
    return try archive([
      ("debian-binary", Array("2.0\n".utf8)), ("control.tar.gz", try Gzip.compress(control.finished())),
      ("data.tar.gz", try Gzip.compress(data.finished())),
    ])
  }

  /// The file "control" of a .deb file, and what surrounds it in its archive; `nil` for other files, and where it is
  /// not compressed as `encoded()` does it.
  package static func control(of bytes: UnsafeRawBufferPointer) -> String? {
    guard bytes.starts(with: "!<arch>\n".utf8) else { return nil }
    var start = 8
    while start + 60 <= bytes.count {
      let name = bytes[start..<start + 16].prefix { $0 != UInt8(ascii: " ") }
      let digits = bytes[start + 48..<start + 58].prefix { $0 != UInt8(ascii: " ") }
      guard let size = Int(String(decoding: digits, as: UTF8.self)), size >= 0, size <= bytes.count - start - 60 else {
        return nil
      }
      if name.elementsEqual("control.tar.gz".utf8) {
        let control = Gzip.start(of: Array(bytes[start + 60..<start + 60 + size]), count: 1 << 16)
        return control.map { String(decoding: $0, as: UTF8.self) }
      }
      start += 60 + size + size % 2
    }
    return nil
  }

  /// The folders that lead to a file, outermost first, such as "./usr/".
  private static func folders(of path: String) -> [String] {
    var (result, folder) = (["./"], "./")
    for part in path.split(separator: "/").dropLast() {
      folder += part + "/"
      result.append(folder)
    }
    return result
  }

  /// The file "control" (Debian Policy 5.3).
  private func fields(installedBytes: Int) -> String {
    """
    Package: \(name.text)
    Version: \(version.text)
    Architecture: all
    Multi-Arch: foreign
    Maintainer: \(maintainer.text)
    Installed-Size: \((installedBytes + 1023) / 1024)
    Depends: \(dependencies)
    Section: science
    Priority: optional
    Description: \(synopsis)
    \(explanation.map { $0.isEmpty ? " ." : " \($0)" }.joined(separator: "\n"))

    """
  }

  /// The changelog (Debian Policy 4.4).
  private var changelog: String {
    """
    \(name.text) (\(version.text)) unstable; urgency=medium

      * \(change)

     -- \(maintainer.text)  \(MailDate.text(time))

    """
  }

  /// A Unix archive (deb(5)). Each member starts at an even offset.
  private func archive(_ members: [(name: String, contents: [UInt8])]) throws(DebianError) -> [UInt8] {
    var bytes = Array("!<arch>\n".utf8)
    for (name, contents) in members {
      guard String(contents.count).count <= 10 else { throw .cannotStore("\(name) has \(contents.count) bytes") }
      func field(_ value: String, _ width: Int) {
        bytes += Array((value + String(repeating: " ", count: width - value.utf8.count)).utf8)
      }
      field(name, 16)
      field("\(time)", 12)
      field("0", 6)  // owner
      field("0", 6)  // group
      field("100644", 8)
      field("\(contents.count)", 10)
      bytes += Array("`\n".utf8) + contents
      if bytes.count % 2 == 1 { bytes.append(UInt8(ascii: "\n")) }
    }
    return bytes
  }
}
