import Files
import Testing

/// Names that Unicode considers equal, and that are those of different files and tensors.
struct NameFormsTests {
  /// Composed and decomposed letters, a mark in another order, a Korean syllable, and signs that are other letters.
  @Test(arguments: [
    ("\u{E9}", "e\u{301}"), ("e\u{323}\u{301}", "e\u{301}\u{323}"), ("\u{AC00}", "\u{1100}\u{1161}"),
    ("\u{212A}", "K"), ("\u{37E}", ";"), ("\u{2126}", "\u{3A9}"),
  ])
  func formsOfANameAreToldApart(a: String, b: String) {
    #expect(a == b && !a.isExactly(b) && a.isExactly(a))
    #expect(NameForms.lookalike(in: ["x", a, "y", b])?.isExactly(b) == true)
    #expect(NameForms.lookalike(in: ["x", a, "y", a]) == nil)
    var forms = NameForms()
    #expect(forms.add(a) && !forms.add(b) && forms.add(a) && forms.add("x"))
    let numbers = [a: 1]
    #expect(numbers[exactly: a] == 1 && numbers[exactly: b] == nil && numbers[exactly: "x"] == nil)
    #expect(numbers.hasLookalike(of: b) && !numbers.hasLookalike(of: a) && !numbers.hasLookalike(of: "x"))
    #expect(Set([a]).contains(exactly: a) && !Set([a]).contains(exactly: b))
    #expect(ExactName(a) != ExactName(b) && Set([ExactName(a), ExactName(b), ExactName(a)]).count == 2)
  }
}
