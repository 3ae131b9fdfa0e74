import Checkpoints
import Testing

@Suite struct SignatureTests {
  static let kinds: [(start: [UInt8], words: String)] = [
    ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], "a PNG image"),
    ([0xFF, 0xD8, 0xFF, 0xE0], "a JPEG image"),
    ([0x89] + Array("QUERN\r\n".utf8), "a Quern package"),
    ([0x89] + Array("HDF\r\n".utf8) + [0x1A, 0x0A], "HDF5"),
    ([0x1F, 0x8B, 8], "a gzip archive"),
    (Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\n".utf8), "git lfs pull"),
    (Array("\n<!DOCTYPE html><html>".utf8), "a web page"),
    (Array("hello\n".utf8), "plain text"),
    (Array("Salted__12345678".utf8), "encrypted"),
    ([0x80, 0x02, 0x7D, 0x71, 0x00, 0x28, 0x58, 0x01, 0, 0, 0, 0x61, 0x4B, 0x01, 0x75, 0x2E], "a plain Python pickle"),
    ([0x80, 0x02, 0x8A], "the first 3 bytes of a pickle"),
    ([UInt8](repeating: 0, count: 700), "a file of zeros"),
    ([0xC3, 0x28, 0x00, 0x99], "no known format"),
    ([0x50, 0x4B, 3, 4, 0, 0], "there is none"),
  ]

  @Test(arguments: kinds.indices) func otherFilesAreNamed(index: Int) {
    let (start, words) = Self.kinds[index]
    let message = refusal(of: start)
    #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
  }
}
