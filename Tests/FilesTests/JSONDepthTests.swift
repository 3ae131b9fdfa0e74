import Files
import Testing

@Suite struct JSONDepthTests {
  @Test(arguments: [
    ("", 0), ("7", 0), ("[]", 1), (#"{"a": 1}"#, 1), ("[[], {}, [[]]]", 3), (#"{"a": [{"b": []}]}"#, 4),
    ("[1], [2], [3]", 1),
    // Brackets in strings, after escaped quotation marks and backslashes as well.
    (#""[[[[""#, 0), (#"["\"[[", "\\", []]"#, 2), (#"{"[{": "]}"}"#, 1),
    // Not JSON: brackets that nothing opened, and strings that do not end.
    ("]]][", 1), (#"["[[["#, 1), ("[[[", 3),
  ])
  func onlyDeeperTextsExceedALimit(text: String, depth: Int) {
    #expect(!JSONDepth.exceeds(depth, text.utf8))
    if depth > 0 { #expect(JSONDepth.exceeds(depth - 1, text.utf8)) }
  }

  @Test func countsLongTexts() {
    let text = [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)
    #expect(JSONDepth.exceeds(16, text))
    #expect(!JSONDepth.exceeds(1 << 20, text))
  }
}
