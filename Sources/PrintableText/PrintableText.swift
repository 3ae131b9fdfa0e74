import Suggestions

/// `text` on one line, with everything that is not printable (and could end a line, move a cursor or reverse what
/// follows) as `\u{…}`. All that a file says, its name included, is shown in this form; it does not change what is
/// printable already.
package func printable(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: \.isUnprintable) else { return text }
  var result = ""
  for scalar in text.unicodeScalars {
    if scalar.isUnprintable {
      result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
    } else {
      result.unicodeScalars.append(scalar)
    }
  }
  return result
}

extension Unicode.Scalar {
  /// Whether the scalar is a control, formatting, separating, private or unassigned character.
  package var isUnprintable: Bool {
    if isASCII { return value < 0x20 || value == 0x7F }
    return switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: true
    default: false
    }
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
