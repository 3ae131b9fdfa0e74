import Fidelity
import Foundation
import Testing

/// Free-form values in documents of files.
@Suite struct JSONDocumentTests {
  private struct Document: Codable, Hashable {
    var settings: [String: JSONValue]
    var other: JSONValue?
    var parts: [Part] = []

    struct Part: Codable, Hashable { var value: JSONValue }
  }

  static let values: [JSONValue] = [
    nil, true, false, 0, -7, .int(.max), .int(.min), 0.5, -0.25, .number(1e300), .number(.leastNonzeroMagnitude), "",
    "a/\u{0}\"\\ é 🐈", [], [1, [nil], "x"], [:], ["a": [1, 2], "b": ["c": 0.5, "d": nil]],
  ]

  @Test(arguments: values)
  func valuesReadBack(value: JSONValue) throws {
    let data = try JSONEncoder().encode(value)
    #expect(try JSONDocument(data).value == value)
    #expect(try JSONDecoder().decode(JSONValue.self, from: data) == value)
    let document = Document(settings: ["a": value], other: [value], parts: [.init(value: 1), .init(value: value)])
    #expect(try JSONDocument(JSONEncoder().encode(document)).decode(Document.self) == document)
  }

  @Test(arguments: ["1", "1.0", "10e-1", "0.1e1"])
  func integralNumbersAreIntegers(text: String) throws {
    #expect(try JSONDocument(Data(text.utf8)).value == 1)
  }

  @Test func numbersBeyondIntegersAreRounded() throws {
    #expect(try JSONDocument(Data("9223372036854775808".utf8)).value == .number(0x1p63))
  }

  @Test func readsAByteOrderMark() throws {
    #expect(try JSONDocument(Data([0xEF, 0xBB, 0xBF] + Array("[1]".utf8))).value == [1])
  }

  @Test(arguments: [
    ("", "not JSON"), ("plan", "not JSON"), ("[1", "not JSON"), ("[1] 2", "more after"), ("[nan]", "not JSON"),
    ("[1e999]", "not JSON"), (#"{"a": 1, "a": 2}"#, "a key twice"),
    (String(repeating: "[", count: 17) + String(repeating: "]", count: 17), "more than 16 levels of arrays"),
    ("[" + String(repeating: "0,", count: 1 << 17) + "0]", "more than 131072 values"),
  ])
  func refusesOtherTexts(text: String, reason: String) {
    do {
      _ = try JSONDocument(Data(text.utf8))
      Issue.record("accepted")
    } catch {
      guard case .dataCorrupted(let context) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(context.debugDescription.contains(reason))
    }
  }

  /// Brackets in strings open nothing.
  @Test func readsSixteenLevels() throws {
    var value = JSONValue.string("[[{\"")
    for _ in 0..<16 { value = [value] }
    let text = String(repeating: "[", count: 16) + #""[[{\"""# + String(repeating: "]", count: 16)
    #expect(try JSONDocument(Data(text.utf8)).value == value)
  }

  @Test func readsStrings() {
    #expect(JSONDocument.strings(#" ["a", "", "\u00e9"] "#) == ["a", "", "é"])
    for text in ["", "[1]", #"["a"] 1"#, #"["a""#, #"{"a": "b"}"#] { #expect(JSONDocument.strings(text) == nil) }
  }
}
