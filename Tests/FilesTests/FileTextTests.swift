import Files
import Testing

/// Texts of files, which are refused where comparing them would take quadratic time.
struct FileTextTests {
  /// Words of several languages, with as many marks as these have.
  @Test(arguments: ["weight", "Füße", "nghiệp", "क्षत्रिय", "שָׁלוֹם", "བསྒྲུབས", "🇩🇪🇫🇷", "e\u{301}\u{323}"])
  func wordsAreTexts(word: String) {
    #expect(String(ofFile: Array(word.utf8)).map { Array($0.utf8) } == Array(word.utf8))
  }

  @Test(arguments: ["\u{301}", "\u{315}\u{300}", "\u{F73}", "\u{F75}", "\u{F81}", "\u{344}", "\u{1F1E6}", "\u{1D165}"])
  func longRunsAreNone(unit: String) {
    func text(_ scalars: Int) -> [UInt8] {
      let run = (0..<scalars).map { Array(unit.unicodeScalars)[$0 % unit.unicodeScalars.count] }
      var text = String.UnicodeScalarView("a".unicodeScalars)
      text.append(contentsOf: run)
      return Array(String(text).utf8)
    }
    #expect(String(ofFile: text(30)) != nil)
    #expect(String(ofFile: text(31)) == nil)
    #expect(String(ofFile: text(15) + text(30)) != nil)
    #expect(String(ofFile: text(30) + text(31)) == nil)
  }

  @Test(arguments: [[0xFF], [0xCC], [0xED, 0xA0, 0x80], [0x61, 0xC0, 0x80]] as [[UInt8]])
  func otherBytesAreNone(bytes: [UInt8]) { #expect(String(ofFile: bytes) == nil) }
}
