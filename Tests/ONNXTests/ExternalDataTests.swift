import Checkpoints
import Glibc
import Testing

/// External data never leaves the model's folder.
@Suite struct ExternalDataTests {
  let scratch: Scratch
  let outside: Scratch
  let data = [UInt8](repeating: 0, count: 24)

  init() throws {
    (scratch, outside) = (try Scratch(), try Scratch())
    _ = try scratch.write(data, to: "weights.bin")
    _ = try outside.write(data, to: "secret.bin")
  }

  private func refusal(_ entries: [(String, String)]) throws -> String? {
    let weight = Wire.external("w", [2, 3, 1, 1], entries)
    let path = try scratch.write(Wire.model(Wire.classifier(weight: weight)))
    do {
      let checkpoint = try Checkpoint.read(path: path)
      #expect(checkpoint["w"]?.withBytes { Array($0) } == data)
      return nil
    } catch { return error.description }
  }

  @Test func filesOfTheFolderAreRead() throws {
    #expect(mkdir("\(scratch.folder)/parts", 0o755) == 0)
    _ = try scratch.write([1, 2, 3, 4] + data, to: "parts/second.bin")
    #expect(try refusal([("location", "weights.bin")]) == nil)
    #expect(try refusal([("location", "./weights.bin"), ("offset", "0"), ("length", "24")]) == nil)
    #expect(try refusal([("location", "parts/second.bin"), ("offset", "4")]) == nil)
  }

  @Test func pathsThatEscapeAreRefused() throws {
    #expect(symlink("\(outside.folder)/secret.bin", "\(scratch.folder)/link.bin") == 0)
    #expect(symlink(outside.folder, "\(scratch.folder)/linked") == 0)
    #expect(symlink("weights.bin", "\(scratch.folder)/inside.bin") == 0)
    #expect(link("\(outside.folder)/secret.bin", "\(scratch.folder)/hard.bin") == 0)
    #expect(mkfifo("\(scratch.folder)/pipe.bin", 0o644) == 0)
    let name = outside.folder.split(separator: "/").last.map(String.init) ?? ""
    let cases = [
      ("../\(name)/secret.bin", "outside of the model's folder"),
      ("\(outside.folder)/secret.bin", "outside of the model's"),
      ("a/../../\(name)/secret.bin", "outside of the model's folder"), ("", "outside of the model's folder"),
      ("link.bin", "symbolic link"), ("linked/secret.bin", "symbolic link"), ("inside.bin", "symbolic link"),
      ("hard.bin", "2 names (hard links)"), ("pipe.bin", "device or a pipe"), (".", "file was expected"),
      ("gone.bin", "no such file"), ("/etc/passwd", "outside of the model's folder"),
    ]
    for (location, words) in cases {
      let message = try refusal([("location", location)])
      #expect(message?.contains(words) == true, "\(location): \(message ?? "accepted") lacks: \(words)")
    }
  }

  @Test func rangesOutsideOfTheFileAreRefused() throws {
    let cases: [([(String, String)], String)] = [
      ([("offset", "1")], "and 24 from byte 1 on are requested"), ([("offset", "-4")], "is not a number of bytes"),
      ([("offset", "9223372036854775807")], "are requested"), ([("offset", "99999999999999999999")], "is not a number"),
      ([("length", "23")], "has 23 bytes"), ([("length", "25")], "requested"), ([("length", "x")], "is not a number"),
      ([("offset", "1e3")], "is not a number of bytes"),
    ]
    for (entries, words) in cases {
      let message = try refusal([("location", "weights.bin")] + entries)
      #expect(message?.contains(words) == true, "\(entries): \(message ?? "accepted") lacks: \(words)")
    }
    #expect(try refusal([])?.contains("external data without a location") == true)
  }
}
