import PrintableText

extension String {
  /// The text with everything that could control a terminal or a CI runner as JSON escapes, so that JSON stays valid.
  ///
  /// Names from files are made printable where they are put into a text; this is the last line of defence. It leaves
  /// line breaks, and the colours that reports use. Runners of CI take a line that begins with `::` (GitHub), and
  /// `##[`, `##vso[` and `##teamcity[` anywhere (Azure Pipelines, TeamCity), for a command.
  var safeForTerminal: String {
    let scalars = unicodeScalars
    var result = ""
    // What is before `copied` is in the result, and what is from there to `index` need not be escaped.
    var (copied, index) = (scalars.startIndex, scalars.startIndex)
    var startsLine = true
    while index < scalars.endIndex {
      let scalar = scalars[index]
      let next = scalars.index(after: index)
      if scalar == "\u{1B}", let color = Self.colors.first(where: { scalars[index...].starts(with: $0) }) {
        index = scalars.index(index, offsetBy: color.count)
        continue
      }
      if (startsLine && scalar == ":" && scalars[next...].first == ":")
        || (scalar == "#" && Self.continuesCommand(scalars[next...])) || (scalar != "\n" && scalar.isUnprintable)
      {
        result += Substring(scalars[copied..<index])
        result += scalar.jsonEscape
        copied = next
      }
      startsLine = scalar == "\n" || (startsLine && scalar.properties.isWhitespace)
      index = next
    }
    return copied == scalars.startIndex ? self : result + Substring(scalars[copied...])
  }

  /// Whether a "#" before these scalars begins a command, such as `##[` or `##vso[`.
  private static func continuesCommand(_ rest: Substring.UnicodeScalarView) -> Bool {
    guard rest.first == "#", let second = rest.dropFirst().first else { return false }
    return second == "[" || second.properties.isAlphabetic
  }

  /// The text with "quern: " before every line that looks like an object of `--progress json`, as one that begins with
  /// the name of a file can.
  var withoutObjects: String {
    split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.unicodeScalars.first { !$0.properties.isWhitespace } == "{" ? "quern: \(line)" : String(line)
    }.joined(separator: "\n")
  }

  /// Bold red, green and yellow, and the end of them.
  private static let colors = ["\u{1B}[1;31m", "\u{1B}[1;32m", "\u{1B}[1;33m", "\u{1B}[0m"].map {
    Array($0.unicodeScalars)
  }
}
