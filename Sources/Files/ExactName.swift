/// The name or the path of a file as a key of sets and dictionaries. Strings are equal where they are canonically
/// equivalent, as an é of one scalar and one of two are, while names of different bytes are those of different files.
package struct ExactName: Hashable, Sendable {
  private let bytes: [UInt8]

  /// - Parameter name: the name or the path.
  package init(_ name: String) { bytes = Array(name.utf8) }
}
