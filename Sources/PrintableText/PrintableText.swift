import Suggestions

/// `text` on one line, with everything that is not printable (and could end a line, move a cursor or reverse what
/// follows) as `\u{…}`. All that a file says, its name included, is shown in this form; it does not change what is
/// printable already.
package func printable(_ text: String) -> String {
  escaped(text, where: \.isUnprintable) { "\\u{\(String($0.value, radix: 16, uppercase: true))}" }
}

/// A JSON text of several lines with everything in its strings that is not printable as JSON escapes, so that it means
/// the same and can be shown as it is.
package func printableJSON(_ text: String) -> String {
  escaped(text, where: { $0 != "\n" && $0.isUnprintable }, as: \.jsonEscape)
}

/// `text` with escapes in place of some scalars. The parts between them are copied as a whole.
private func escaped(
  _ text: String, where isEscaped: (Unicode.Scalar) -> Bool, as escape: (Unicode.Scalar) -> String
) -> String {
  let scalars = text.unicodeScalars
  guard var next = scalars.firstIndex(where: isEscaped) else { return text }
  var result = ""
  var rest = scalars.startIndex
  while next < scalars.endIndex {
    result += Substring(scalars[rest..<next])
    result += escape(scalars[next])
    rest = scalars.index(after: next)
    next = scalars[rest...].firstIndex(where: isEscaped) ?? scalars.endIndex
  }
  return result + Substring(scalars[rest...])
}

extension Unicode.Scalar {
  private static let digits = Array("0123456789abcdef".unicodeScalars)

  /// Whether the scalar is a control, formatting, separating, private or unassigned character.
  package var isUnprintable: Bool {
    if isASCII { return value < 0x20 || value == 0x7F }
    return switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: true
    default: false
    }
  }

  /// The scalar in a JSON string, such as "\u001b"; two escapes above U+FFFF.
  package var jsonEscape: String {
    UTF16.encode(self)?.reduce(into: "") { text, unit in
      text += "\\u"
      for shift in [12, 8, 4, 0] { text.unicodeScalars.append(Self.digits[Int(unit >> shift & 15)]) }
    } ?? ""
  }
}

/// An error whose description has several lines.
package protocol MultilineError: Error {
  /// The lines of the description.
  var lines: [String] { get }
}

/// The description of an error for people: one line, unless its type says otherwise. Long lines are cut: the names and
/// lists of a file may have megabytes.
package func printable(_ error: any Error) -> String {
  let lines = (error as? any MultilineError)?.lines ?? [String(describing: error)]
  return lines.map { line in
    let shown = abbreviated(line, limit: 4096)
    return printable(shown == line ? line : "\(shown) (\(line.utf8.count) bytes)")
  }.joined(separator: "\n")
}
