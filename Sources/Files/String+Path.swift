/// Paths, which are split among their bytes: a combining mark after a slash makes one character with it.
extension String {
  private static let slash = UInt8(ascii: "/")

  /// The folder that a path lies in, and its name there, which is empty after a slash at the end.
  package var pathParts: (folder: String, name: String) {
    guard let slash = utf8.lastIndex(of: Self.slash) else { return (".", self) }
    return (slash == startIndex ? "/" : String(self[..<slash]), String(self[utf8.index(after: slash)...]))
  }

  /// What is before the first slash of a path.
  package var topFolder: String { String(Substring(utf8.prefix { $0 != Self.slash })) }
}
