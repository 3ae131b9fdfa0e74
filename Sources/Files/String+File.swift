extension String {
  /// How many combining marks, or regional indicators, may follow each other in the text of a file: as many as in the
  /// Stream-Safe Text Format (UAX #15, section 13). No language comes near.
  private static let runLimit = 30

  /// What the text of a file has to be, for messages.
  package static let fileTextRule = "UTF-8 with at most 30 combining marks in a row"

  /// A text in a file, such as a name or a key; `nil` where it is not UTF-8, or where too many combining marks or
  /// regional indicators follow each other.
  ///
  /// Strings are compared and hashed by their canonical forms, for which each run of marks is sorted in quadratic time,
  /// and a step backwards in a run of regional indicators goes to its start.
  package init?(ofFile bytes: some Collection<UInt8>) {
    guard let text = String(validating: bytes, as: UTF8.self), text.hasShortRuns else { return nil }
    self = text
  }

  private var hasShortRuns: Bool {
    // The first combining mark is U+0300.
    guard utf8.contains(where: { $0 >= 0xCC }) else { return true }
    var (marks, indicators) = (0, 0)
    for scalar in unicodeScalars {
      marks = scalar.isMark ? marks + 1 : 0
      indicators = (0x1F1E6...0x1F1FF).contains(scalar.value) ? indicators + 1 : 0
      if max(marks, indicators) > Self.runLimit { return false }
    }
    return true
  }
}

extension Unicode.Scalar {
  /// Whether the canonical form sorts the scalar, or all that it consists of, among its neighbours. Three vowels of
  /// Tibetan consist of marks and are none.
  fileprivate var isMark: Bool {
    properties.canonicalCombiningClass != .notReordered || value == 0x0F73 || value == 0x0F75 || value == 0x0F81
  }
}
