import CFiles
import Glibc
import Testing

/// Opening beneath a folder, by the kernel's openat2 and, where there is none, one component at a time: both refuse alike.
@Suite struct BeneathTests {
  struct Opener: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let open: @Sendable (Int32, UnsafePointer<CChar>) -> Int32
  }

  static let openers = [
    Opener(testDescription: "openat2", open: quern_open_beneath),
    Opener(testDescription: "one component at a time", open: quern_walk_beneath),
  ]

  /// `model/` with files, links and folders in it, beside `secret.bin`, in a folder of its own.
  final class Tree {
    let root: String
    var model: String { root + "/model" }

    init() throws {
      var template = Array("/tmp/quern-beneath-XXXXXX".utf8CString)
      root = String(cString: try #require(mkdtemp(&template)))
      for folder in ["model", "model/parts", "model/parts/deep"] { #expect(mkdir("\(root)/\(folder)", 0o755) == 0) }
      for file in ["secret.bin", "model/weights.bin", "model/parts/second.bin", "model/parts/deep/third.bin"] {
        let stream = try #require(fopen("\(root)/\(file)", "w"))
        fputs(file, stream)
        fclose(stream)
      }
      let links = [
        ("\(root)/secret.bin", "absolute.bin"), ("../secret.bin", "relative.bin"), ("weights.bin", "inside.bin"),
        (root, "linked"), ("parts", "inside"), ("..", "up"), ("nowhere", "dangling.bin"), ("loop", "loop"),
      ]
      for (target, name) in links { #expect(symlink(target, "\(model)/\(name)") == 0) }
      #expect(symlink("/", "\(model)/parts/root") == 0)
      #expect(mkfifo("\(model)/pipe.bin", 0o644) == 0)
    }

    deinit {
      let links = ["absolute.bin", "relative.bin", "inside.bin", "linked", "inside", "up", "dangling.bin", "loop"]
      let files = ["parts/deep/third.bin", "parts/second.bin", "parts/root", "weights.bin", "pipe.bin"]
      for name in links + files + ["parts/deep", "parts"] { remove("\(model)/\(name)") }
      for name in [model, "\(root)/secret.bin", root] { remove(name) }
    }
  }

  static let cases: [(path: String, code: Int32, contents: String)] = [
    ("weights.bin", 0, "model/weights.bin"), ("./weights.bin", 0, "model/weights.bin"),
    ("parts/second.bin", 0, "model/parts/second.bin"), ("parts//second.bin", 0, "model/parts/second.bin"),
    ("./parts/./deep/third.bin", 0, "model/parts/deep/third.bin"),
    ("../secret.bin", EXDEV, ""), ("parts/../../secret.bin", EXDEV, ""), ("..", EXDEV, ""), ("/etc/passwd", EXDEV, ""),
    ("/", EXDEV, ""), ("//etc/passwd", EXDEV, ""),
    ("absolute.bin", ELOOP, ""), ("relative.bin", ELOOP, ""), ("inside.bin", ELOOP, ""), ("dangling.bin", ELOOP, ""),
    ("linked/secret.bin", ELOOP, ""), ("inside/second.bin", ELOOP, ""), ("up/secret.bin", ELOOP, ""),
    ("loop", ELOOP, ""), ("loop/x", ELOOP, ""), ("parts/root/etc/passwd", ELOOP, ""), ("linked/", ELOOP, ""),
    ("gone.bin", ENOENT, ""), ("gone/weights.bin", ENOENT, ""), ("", ENOENT, ""),
    ("weights.bin/x", ENOTDIR, ""), ("weights.bin/", ENOTDIR, ""),
    (String(repeating: "a", count: 300), ENAMETOOLONG, ""),
  ]

  @Test(arguments: openers)
  func opensWhatLiesBeneathAndNothingElse(_ opener: Opener) throws {
    let tree = try Tree()
    let folder = open(tree.model, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try #require(folder >= 0)
    defer { close(folder) }
    for (path, code, contents) in Self.cases {
      errno = 0
      let descriptor = opener.open(folder, path)
      let error = errno
      guard descriptor >= 0 else {
        #expect(error == code, "\(path): \(String(cString: strerror(error)))")
        continue
      }
      defer { close(descriptor) }
      var buffer = [UInt8](repeating: 0, count: 64)
      let count = read(descriptor, &buffer, buffer.count)
      #expect(code == 0 && String(decoding: buffer[..<max(count, 0)], as: UTF8.self) == contents, "\(path) was opened")
    }
  }

  /// A pipe without a writer must not hold the reader up; nor may descriptors be left open.
  @Test(arguments: openers)
  func neitherWaitsNorLeaksDescriptors(_ opener: Opener) throws {
    let tree = try Tree()
    let folder = open(tree.model, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try #require(folder >= 0)
    defer { close(folder) }
    let pipe = opener.open(folder, "pipe.bin")
    #expect(pipe >= 0)
    close(pipe)
    for _ in 0..<2000 {
      for path in [
        "parts/deep/third.bin", "parts/deep/gone.bin", "parts/root/etc", "parts/deep/../x", "parts/second.bin/x",
      ] {
        let descriptor = opener.open(folder, path)
        if descriptor >= 0 { close(descriptor) }
      }
    }
    // Ten thousand calls that each lose one would have pushed the lowest free descriptor far up, or used them up.
    let next = opener.open(folder, "weights.bin")
    #expect(next >= 0 && next < 1000, "the lowest free descriptor is \(next)")
    close(next)
    // The folder itself stays open.
    #expect(fcntl(folder, F_GETFD) >= 0)
  }
}
