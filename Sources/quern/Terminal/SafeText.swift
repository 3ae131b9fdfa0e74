import PrintableText

extension String {
  /// The text with everything that could control a terminal or a CI runner as JSON escapes, so that JSON stays valid.
  ///
  /// Names from files are made printable where they are put into a text; this is the last line of defence. It leaves
  /// line breaks, and the colours that reports use. Runners of CI take a line that begins with `::` (GitHub), and
  /// `##[`, `##vso[` and `##teamcity[` anywhere (Azure Pipelines, TeamCity), for a command.
  var safeForTerminal: String {
    var result = ""
    result.reserveCapacity(utf8.count)
    var rest = Substring(self).unicodeScalars
    var startsLine = true
    while let scalar = rest.first {
      if scalar == "\u{1B}", let color = Self.colors.first(where: { rest.starts(with: $0.unicodeScalars) }) {
        result += color
        rest.removeFirst(color.unicodeScalars.count)
        continue
      }
      let isCommand = startsLine && scalar == ":" && rest.dropFirst().first == ":"
      let isMarkedCommand =
        scalar == "#" && rest.dropFirst().first == "#"
        && (rest.dropFirst(2).first.map { $0 == "[" || $0.properties.isAlphabetic } ?? false)
      if isCommand || isMarkedCommand || (scalar != "\n" && scalar.isUnprintable) {
        result += scalar.jsonEscape
      } else {
        result.unicodeScalars.append(scalar)
      }
      startsLine = scalar == "\n" || (startsLine && scalar.properties.isWhitespace)
      rest.removeFirst()
    }
    return result
  }

  /// The text with "quern: " before every line that looks like an object of `--progress json`, as one that begins with
  /// the name of a file can.
  var withoutObjects: String {
    split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.unicodeScalars.first { !$0.properties.isWhitespace } == "{" ? "quern: \(line)" : String(line)
    }.joined(separator: "\n")
  }

  /// Bold red, green and yellow, and the end of them.
  private static let colors = ["\u{1B}[1;31m", "\u{1B}[1;32m", "\u{1B}[1;33m", "\u{1B}[0m"]
}

extension Unicode.Scalar {
  private static let digits = Array("0123456789abcdef".unicodeScalars)

  /// Such as "\u001b"; two escapes above U+FFFF.
  fileprivate var jsonEscape: String {
    UTF16.encode(self)?.reduce(into: "") { text, unit in
      text += "\\u"
      for shift in [12, 8, 4, 0] { text.unicodeScalars.append(Self.digits[Int(unit >> shift & 15)]) }
    } ?? ""
  }
}
