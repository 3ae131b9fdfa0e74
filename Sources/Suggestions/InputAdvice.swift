/// What to say of an input that stands for the one that is needed: a Git LFS pointer, a URL, an archive.
///
/// This looks at bytes alone: libquern leaves out Swift's Unicode tables.
package enum InputAdvice {
  /// How the files begin that Git LFS leaves in a working tree in place of those that it has not fetched
  /// (git-lfs, docs/spec.md).
  package static let pointerStart = Array("version https://git-lfs".utf8)
  /// What such a file is, with an article.
  package static let pointerKind = "a Git LFS pointer"
  /// What to do about such a file.
  package static let pointerAdvice = "fetch the file itself with `git lfs pull`"
  /// A sentence without its subject, which is the path of the file.
  package static let pointer = "is \(pointerKind): \(pointerAdvice)"

  private static let downloads: [(scheme: String, command: String)] = [
    ("http://", "curl -LO"), ("https://", "curl -LO"), ("s3://", "aws s3 cp"), ("gs://", "gcloud storage cp"),
    ("hf://", "hf download"),
  ]

  /// What to do about a path that leads nowhere and looks like a URL: a sentence without its subject, which is the
  /// path; `nil` for other paths.
  package static func url(_ path: String) -> String? {
    let start = path.utf8.prefix(8).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    guard let download = downloads.first(where: { start.starts(with: $0.scheme.utf8) }) else { return nil }
    return "is a URL; download the file first, for instance with \(download.command), and give its path"
  }

  private static let archives: [(offset: Int, signature: [UInt8], kind: String)] = [
    (0, Array("PK".utf8) + [3, 4], "a zip archive"), (0, Array("PK".utf8) + [5, 6], "a zip archive"),
    (257, Array("ustar".utf8), "a tar archive"), (0, [0x1F, 0x8B], "a gzip archive"),
    (0, [0x28, 0xB5, 0x2F, 0xFD], "a Zstandard archive"), (0, [0xFD] + Array("7zXZ".utf8) + [0], "an xz archive"),
    (0, Array("BZh".utf8), "a bzip2 archive"), (0, Array("7z".utf8) + [0xBC, 0xAF, 0x27, 0x1C], "a 7-Zip archive"),
    (0, Array("Rar!".utf8) + [0x1A, 0x07], "a RAR archive"),
  ]

  /// The number of bytes at the start of a file by which pointers and archives are recognised.
  package static let byteCount = 512

  /// The kind of archive that a file is, with an article; `nil` for other files.
  ///
  /// - Parameter start: the first `byteCount` bytes of the file or more, or the whole file.
  package static func archive(_ start: UnsafeRawBufferPointer) -> String? {
    archives.first { start.dropFirst($0.offset).starts(with: $0.signature) }?.kind
  }
}
