import Conversion
import Testing

/// Which classes the names of folders stand for.
@Suite struct ClassNamesTests {
  private static let (composed, decomposed) = ("\u{E9}", "e\u{301}")

  /// File systems change the normal form, which does not matter unless two names differ in nothing else.
  @Test(
    arguments: [
      ([composed, "b"], ["b", decomposed], [1, 0]), ([composed, decomposed], [decomposed, composed], [1, 0]),
      ([composed, "b"], [composed, decomposed], [0, nil]), ([composed, decomposed], ["b", decomposed], [nil, 1]),
      (["a", "a"], ["a"], [nil]), (["n00000001 a", "n00000002 b"], ["n00000002", "n00000001 a"], [1, 0]),
    ] as [([String], [String], [Int?])])
  func foldersHaveTheirClasses(names: [String], folders: [String], classes: [Int?]) throws {
    let stored = try ClassNames(names.count, listed: nil, stored: names, of: "the model")
    #expect(stored.places(of: folders) == classes)
  }
}
