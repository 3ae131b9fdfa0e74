import Suggestions

/// A licence expression of SPDX (SPDX specification 2.3, annex D).
package struct SPDXExpression {
  /// Why a text is no such expression, as part of a sentence.
  package struct Problem: Error {
    let text: String
  }

  /// The expression with single spaces, and with identifiers and operators as SPDX spells them.
  package let text: String

  /// - Parameter text: the expression. Letters of identifiers may be in either case.
  /// - Throws: `Problem` where the syntax is wrong, or where an identifier is not in SPDX's list.
  package init(_ text: String) throws(Problem) {
    var parser = Parser(tokens: Self.tokens(text))
    try parser.expression()
    guard parser.next == nil else { throw parser.unexpected }
    self.text = parser.parsed.joined(separator: " ").replacing("( ", with: "(").replacing(" )", with: ")")
  }

  private static func tokens(_ text: String) -> [Substring] {
    text.split(separator: " ").flatMap { word in
      var (tokens, rest) = ([Substring](), word[...])
      while let end = rest.firstIndex(where: { $0 == "(" || $0 == ")" }) {
        if end > rest.startIndex { tokens.append(rest[..<end]) }
        tokens.append(rest[end...end])
        rest = rest[rest.index(after: end)...]
      }
      return rest.isEmpty ? tokens : tokens + [rest]
    }
  }

  private struct Parser {
    let tokens: [Substring]
    var position = 0
    var depth = 0
    var parsed: [String] = []

    init(tokens: [Substring]) { self.tokens = tokens }

    var next: Substring? { position < tokens.count ? tokens[position] : nil }

    var unexpected: Problem {
      guard let next else { return Problem(text: position == 0 ? "it is empty" : "it ends too early") }
      return Problem(text: "'\(next)' is out of place")
    }

    /// The next token, in upper case, if it is one of some operators or parentheses.
    mutating func take(_ operators: String...) -> Bool {
      guard let next = next?.uppercased(), operators.contains(next) else { return false }
      parsed.append(next)
      position += 1
      return true
    }

    mutating func expression() throws(Problem) {
      repeat { try operand() } while take("AND", "OR")
    }

    mutating func operand() throws(Problem) {
      if take("(") {
        depth += 1
        guard depth <= 32 else { throw Problem(text: "it is nested too deeply") }
        try expression()
        guard take(")") else { throw unexpected }
        depth -= 1
        return
      }
      try license()
      if take("WITH") { try exception() }
    }

    mutating func license() throws(Problem) {
      guard let token = next, !["AND", "OR", "WITH", ")"].contains(token.uppercased()) else { throw unexpected }
      position += 1
      if Self.isReference(token) {
        parsed.append(String(token))
        return
      }
      let isOrLater = token.hasSuffix("+")
      let name = String(isOrLater ? token.dropLast() : token)
      guard let known = SPDXIdentifiers.licenses[name.lowercased()] else {
        throw Self.unknown("licence", name, SPDXIdentifiers.licenses)
      }
      parsed.append(known + (isOrLater ? "+" : ""))
    }

    mutating func exception() throws(Problem) {
      guard let token = next else { throw unexpected }
      guard let known = SPDXIdentifiers.exceptions[token.lowercased()] else {
        throw Self.unknown("exception", String(token), SPDXIdentifiers.exceptions)
      }
      parsed.append(known)
      position += 1
    }

    /// Whether a token is a licence outside SPDX's list: `LicenseRef-…`, possibly of another document.
    static func isReference(_ token: Substring) -> Bool {
      var name = token
      if name.hasPrefix("DocumentRef-") {
        guard let colon = name.firstIndex(of: ":"), isIdentifier(name.dropFirst(12)[..<colon]) else { return false }
        name = name[name.index(after: colon)...]
      }
      return name.hasPrefix("LicenseRef-") && isIdentifier(name.dropFirst(11))
    }

    static func isIdentifier(_ text: Substring) -> Bool {
      !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) || $0 == "-" || $0 == "." }
    }

    static func unknown(_ kind: String, _ name: String, _ known: [String: String]) -> Problem {
      // Nothing in the lists is as long as this, and distances to long texts would take long.
      guard name.utf8.count <= 64 else { return Problem(text: "SPDX's list has no \(kind) '\(name.prefix(64))…'") }
      let (lowercased, limit) = (name.lowercased(), max(1, name.count / 4))
      let near = known.keys.filter { abs($0.utf8.count - lowercased.utf8.count) <= limit }
        .map { (distance: editDistance(lowercased.utf8, $0.utf8), key: $0) }.min { $0 < $1 }
      let advice =
        if let near, near.distance <= limit, let name = known[near.key] {
          " (did you mean \(name)?)"
        } else { "" }
      return Problem(text: "SPDX's list has no \(kind) '\(name)'\(advice)")
    }
  }
}
