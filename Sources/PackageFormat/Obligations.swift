/// Features that a reader has to know (formats/package.md, "Header"). Version 1.0 has none; a later minor version may add one
/// for what an older reader must not ignore, which then refuses packages that use it.
package struct Obligations: OptionSet, Hashable, Sendable {
  package let rawValue: UInt64

  /// All that this version knows.
  static let known: Obligations = []

  package init(rawValue: UInt64) { self.rawValue = rawValue }
}
