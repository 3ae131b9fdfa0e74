import Foundation
import PrintableText
import Testing

/// Texts of files as they are shown, and as they stand in JSON.
@Suite struct EscapingTests {
  @Test(arguments: [
    ("", ""), ("layer1.0", "layer1.0"), ("é 名 \u{1F4F7}", "é 名 \u{1F4F7}"), ("a\nb", "a\\u{A}b"),
    ("\u{202E}\u{202E}x", "\\u{202E}\\u{202E}x"), ("e\u{301}\u{200F}", "e\u{301}\\u{200F}"),
    ("\u{E0001}", "\\u{E0001}"), ("\u{1B}[2J\u{9B}", "\\u{1B}[2J\\u{9B}"),
  ])
  func whatIsNotPrintableIsEscaped(text: String, expected: String) {
    #expect(Array(printable(text).utf8) == Array(expected.utf8))
  }

  @Test(arguments: [
    ("[\n  \"é 名\"\n]\n", "[\n  \"é 名\"\n]\n"),
    ("[\"\u{202E}\u{2028}x\u{200F}\"]", "[\"\\u202e\\u2028x\\u200f\"]"),
    ("[\"\u{7F}\u{E0001}\"]\n", "[\"\\u007f\\udb40\\udc01\"]\n"),
  ])
  func escapedJSONMeansTheSame(text: String, expected: String) throws {
    #expect(Array(printableJSON(text).utf8) == Array(expected.utf8))
    let values = try [text, expected].map { try JSONDecoder().decode([String].self, from: Data($0.utf8)) }
    #expect(values[0] == values[1])
  }

  /// A long text of what must be escaped takes time in proportion to its length.
  @Test func longTextsAreEscapedAtOnce() {
    let count = 200_000
    let text = String(repeating: "\u{202E}a", count: count)
    #expect(printable(text).utf8.count == 9 * count)
    #expect(printableJSON(text).utf8.count == 7 * count)
  }
}
