import Files
import PackageFormat
import PrintableText

extension PackageLicense {
  /// The licences in /usr/share/common-licenses of every Debian system, by the start of the SPDX identifier.
  private static let common = [
    ("Apache-2.0", "Apache-2.0"), ("CC0-1.0", "CC0-1.0"), ("GPL-1.0", "GPL-1"), ("GPL-2.0", "GPL-2"),
    ("GPL-3.0", "GPL-3"), ("LGPL-2.0", "LGPL-2"), ("LGPL-2.1", "LGPL-2.1"), ("LGPL-3.0", "LGPL-3"),
    ("MPL-1.1", "MPL-1.1"), ("MPL-2.0", "MPL-2.0"),
  ]

  /// The field "License" of a copyright file (Debian, "Machine-readable debian/copyright file", version 1.0), with the
  /// text of the licence, or where it can be found.
  var debianField: String {
    "License: \(expression.map(Self.debianExpression) ?? "other")\n"
      + Self.indented(text ?? expression.map(Self.locations) ?? "")
  }

  private static let operators = ["AND", "OR", "WITH"]

  /// Debian writes operators in lower case.
  private static func debianExpression(_ expression: String) -> String {
    expression.split(separator: " ").map { operators.contains(String($0)) ? $0.lowercased() : String($0) }
      .joined(separator: " ")
  }

  private static func locations(of expression: String) -> String {
    let tokens = expression.split { $0 == " " || $0 == "(" || $0 == ")" }.map(String.init)
    var identifiers: [String] = []
    for token in tokens where !operators.contains(token) && !identifiers.contains(token) { identifiers.append(token) }
    return identifiers.map { identifier in
      if let file = common.first(where: { identifier.hasPrefix($0.0) })?.1 {
        return "On Debian systems, the text of \(identifier) is in\n/usr/share/common-licenses/\(file)."
      }
      guard !identifier.contains("LicenseRef-") else { return "\(identifier) is not in SPDX's list." }
      let name = identifier.hasSuffix("+") ? String(identifier.dropLast()) : identifier
      return "The text of \(identifier) is at\nhttps://spdx.org/licenses/\(name).html."
    }.joined(separator: "\n")
  }

  /// A line with spaces in place of tabs, and without the form feeds between pages that some licences have.
  private static func typeset(_ line: String) -> String {
    String(
      String.UnicodeScalarView(
        line.unicodeScalars.filter { $0 != "\u{C}" }.flatMap { $0 == "\t" ? Array(repeating: " ", count: 8) : [$0] }))
  }

  /// The lines of a text as a field of several lines, where an empty line is a full stop.
  private static func indented(_ text: String) -> String {
    var lines = TextFile.lines(of: text).map { line in
      line.allSatisfy(\.isWhitespace) ? " ." : " \(printable(typeset(line)))"
    }
    while lines.last == " ." { lines.removeLast() }
    return lines.joined(separator: "\n")
  }
}
