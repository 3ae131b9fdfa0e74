import PrintableText

/// The name of a Debian package (Debian Policy 5.6.7).
package struct DebianName: Hashable, Sendable {
  /// The longest name, so that the paths of files fit into headers of tar.
  package static let maxLength = 60
  /// The name.
  package let text: String

  /// - Throws: `DebianError.invalidField` where the name is not allowed.
  package init(_ text: String) throws(DebianError) {
    func invalid(_ problem: String) -> DebianError { .invalidField(name: "the name", value: text, problem: problem) }
    let bytes = Array(text.utf8)
    guard (2...Self.maxLength).contains(bytes.count) else {
      throw invalid("must have 2 to \(Self.maxLength) characters")
    }
    if bytes.contains(where: { $0.isUpperCase }) { throw invalid("must be in lower case") }
    guard bytes.allSatisfy({ $0.isLowerCase || $0.isDigit || [UInt8]("+-.".utf8).contains($0) }) else {
      throw invalid("may contain only lower-case letters, digits, '+', '-' and '.'")
    }
    guard bytes[0].isLowerCase || bytes[0].isDigit else { throw invalid("must start with a letter or a digit") }
    self.text = text
  }
}

/// The version of a Debian package, `[epoch:]upstream[-revision]` (Debian Policy 5.6.12).
package struct DebianVersion: Hashable, Sendable {
  /// The whole version.
  package let text: String
  /// Whether the version has no revision, so that the software is packaged by those who make it.
  package let isNative: Bool

  /// - Throws: `DebianError.invalidField` where the version is not allowed.
  package init(_ text: String) throws(DebianError) {
    func invalid(_ problem: String) -> DebianError { .invalidField(name: "the version", value: text, problem: problem) }
    var rest = Substring(text)
    if let colon = rest.firstIndex(of: ":") {
      let epoch = rest[..<colon]
      guard !epoch.isEmpty, epoch.utf8.allSatisfy(\.isDigit), Int32(epoch) != nil else {
        throw invalid("must have a number before the first ':'")
      }
      rest = rest[rest.index(after: colon)...]
    }
    var revision: Substring?
    // By bytes: a step backwards over flags goes to the first of them.
    if let hyphen = rest.utf8.lastIndex(of: UInt8(ascii: "-")) {
      revision = rest[rest.utf8.index(after: hyphen)...]
      rest = rest[..<hyphen]
    }
    guard let first = rest.utf8.first, first.isDigit else { throw invalid("must start with a digit, as in 1.0-1") }
    let allowed = Array(".+-~:".utf8)
    guard rest.utf8.allSatisfy({ $0.isLetter || $0.isDigit || allowed.contains($0) }),
      !rest.contains(":") || text != rest
    else { throw invalid("may contain only letters, digits, '.', '+', '-', '~' and, after an epoch, ':'") }
    if let revision {
      let allowed = Array(".+~".utf8)
      guard !revision.isEmpty, revision.utf8.allSatisfy({ $0.isLetter || $0.isDigit || allowed.contains($0) }) else {
        throw invalid("must have letters, digits, '.', '+' or '~' after the last '-'")
      }
    }
    self.text = text
    isNative = revision == nil
  }
}

/// The maintainer of a Debian package, `Name <address>` (Debian Policy 5.6.2).
package struct DebianMaintainer: Hashable, Sendable {
  /// The name and the address.
  package let text: String

  /// - Throws: `DebianError.invalidField` where the text is not of this form.
  package init(_ text: String) throws(DebianError) {
    let parts = text.split(separator: "<", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].hasSuffix(" "), parts[0].contains(where: { $0 != " " }), parts[1].hasSuffix(">"),
      parts[1].dropLast().split(separator: "@", omittingEmptySubsequences: false).count == 2,
      !parts[1].hasPrefix("@"), !parts[1].hasSuffix("@>"),
      !text.unicodeScalars.contains(where: { $0.isUnprintable || $0 == "," }),
      !parts[1].dropLast().contains(where: { $0 == " " || $0 == ">" })
    else {
      throw .invalidField(name: "the maintainer", value: text, problem: "must have the form 'Name <address@host>'")
    }
    self.text = text
  }
}

/// Who holds the copyright of files, as in "2026 Example GmbH" (Debian, "Machine-readable debian/copyright file",
/// version 1.0, field "Copyright").
package struct DebianCopyright: Hashable, Sendable {
  /// The value of the field.
  package let text: String

  /// - Throws: `DebianError.invalidField` where the text could be read as something else, or names nobody.
  package init(_ text: String) throws(DebianError) {
    guard !text.unicodeScalars.contains(where: \.isUnprintable),
      text.contains(where: { $0.isLetter || $0.isNumber })
    else {
      throw .invalidField(
        name: "the copyright", value: text, problem: "must be one line of printable characters that names the holder")
    }
    self.text = text
  }
}

extension UInt8 {
  fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
  fileprivate var isLowerCase: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
  fileprivate var isUpperCase: Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
  fileprivate var isLetter: Bool { isLowerCase || isUpperCase }
}
