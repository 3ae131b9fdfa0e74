import Files
import Testing

/// JSON is what RFC 8259 defines, whether a value is read or skipped.
struct JSONReaderTests {
  private struct Problem: JSONFailure {
    static func truncated(_ error: ByteCursorError) -> Self { Self() }
    static func malformed(field: String, offset: Int, reason: String) -> Self { Self() }
    static func limitExceeded(what: String, offset: Int, limit: Int) -> Self { Self() }
  }

  private static func value(_ text: String) -> PlainValue? {
    try? JSONReader<Problem>.plainValue(of: ByteCursor(Array(text.utf8)))
  }

  private static func isSkipped(_ text: String) -> Bool {
    var json = JSONReader<Problem>(cursor: ByteCursor(Array(text.utf8)))
    guard (try? json.skipValue()) != nil else { return false }
    json.skipBlanks()
    return json.cursor.isAtEnd
  }

  @Test(
    arguments: [
      ("0", .int(0)), ("-0", .int(0)), ("10", .int(10)), ("-7", .int(-7)), ("0.5", .double(0.5)),
      ("-0.5", .double(-0.5)),
      ("1.50", .double(1.5)), ("1e3", .double(1000)), ("1E+3", .double(1000)), ("12.5e-1", .double(1.25)),
      ("0e0", .double(0)), ("1e05", .double(100_000)), ("true", .bool(true)), ("false", .bool(false)), ("null", .null),
      (" \t\r\n1 \t\r\n", .int(1)), ("[ ]", .list([])), ("{ }", .dictionary([:])), (#""\/\"\u00e9""#, .string("/\"é")),
      (#""\uD83D\uDE00""#, .string("😀")), ("\"\u{7F}\"", .string("\u{7F}")),
    ] as [(String, PlainValue)])
  func values(text: String, value: PlainValue) {
    #expect(Self.value(text) == value)
    #expect(Self.isSkipped(text))
  }

  @Test(
    arguments: [
      "01", "-01", "00", "1.", "1.e3", "-.5", ".5", "+1", "1e", "1e+", "1e5.2", "1.5.2", "--1", "-", "0x10", "1_0",
      "1e5e5",
      "Infinity", "-Infinity", "NaN", "nan", "inf", "-inf", "True", "nul", "nulll", "truefalse", "e", "1 2", "",
    ])
  func otherScalarsAreNone(text: String) {
    for text in [text, "[\(text)]", "[1,\(text)]", "{\"a\":\(text)}"] where text != "[]" {
      #expect(Self.value(text) == nil, "\(text)")
      #expect(!Self.isSkipped(text), "\(text)")
    }
  }

  @Test(
    arguments: [
      "[1,]", "[,]", "[1 2]", "[1;2]", "[1", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{'a':1}", "{1:1}", "\"a", "'a'",
      "\"\u{1}\"",
      "\"\t\"", "\"\n\"", #""\x""#, #""\U0041""#, #""\u00g0""#, #""\u12""#, #""\ud800""#, #""\udc00""#, #""\ud800A""#,
      #""\ud800\u0041""#, #""\ud800\ud800""#, "\u{A0}1", "1\u{A0}", "\u{B}1", "\u{C}1", "\u{FEFF}1", "// no\n1", "1\0",
    ])
  func otherTextsAreNone(text: String) {
    #expect(Self.value(text) == nil)
    #expect(!Self.isSkipped(text))
  }
}
