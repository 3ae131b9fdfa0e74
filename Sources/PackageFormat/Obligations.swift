/// Features that a reader has to know (formats/package.md, "Header"). Version 1.0 has none. A later minor version may
/// add one for something that older readers must not ignore; they then refuse packages that use it.
package struct Obligations: OptionSet, Hashable, Sendable {
  package let rawValue: UInt64

  /// All features that this version knows.
  static let known: Obligations = []

  package init(rawValue: UInt64) { self.rawValue = rawValue }
}
