import Files
import Testing

@Suite struct TextFileTests {
  /// Lines as editors on several systems write them.
  @Test(arguments: ["\n", "\r\n", "\r"], ["", "\u{FEFF}"])
  func linesOfEditors(end: String, start: String) {
    for last in ["", end] {
      let text = start + ["tench", "", "great white shark", "\u{301}mark"].joined(separator: end) + last
      #expect(TextFile.lines(of: text) == ["tench", "", "great white shark", "\u{301}mark"])
    }
    #expect(TextFile.lines(of: start).isEmpty)
    #expect(TextFile.lines(of: start + end) == [""])
    #expect(TextFile.lines(of: "a\u{2028}b\u{0C}c\u{85}d") == ["a\u{2028}b\u{0C}c\u{85}d"])
  }
}
