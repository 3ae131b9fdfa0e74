/// The licence of a package's weights. It has an expression, a text, or both.
package struct PackageLicense: Hashable, Sendable {
  /// An SPDX licence expression, such as "Apache-2.0"; `nil` where only the text is known.
  package var expression: String?
  /// The text of the licence; `nil` where only the expression is known.
  package var text: String?

  /// - Parameters:
  ///   - expression: an SPDX licence expression of 1 to 1024 printable ASCII characters.
  ///   - text: the text, which is not empty.
  package init(expression: String? = nil, text: String? = nil) {
    self.expression = expression
    self.text = text
  }
}

/// The section with the licence (formats/package.md, "Licence section").
enum LicenseSection {
  static let byteLimit = 1 << 20
  static let expressionLimit = 1024

  static func encode(_ license: PackageLicense) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(license.expression ?? "")
    writer.append(license.text ?? "")
    return writer.bytes
  }

  static func parse(_ contents: [UInt8]) throws(PackageError) -> PackageLicense {
    var fields = SectionCursor(contents, part: "licence section")
    let expression = try fields.string("expression")
    guard expression.utf8.count <= expressionLimit, expression.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
      throw fields.invalid("expression", at: 0, "is not at most \(expressionLimit) printable ASCII characters")
    }
    let text = try fields.string("text")
    try fields.expectEnd()
    guard !expression.isEmpty || !text.isEmpty else {
      throw fields.invalid("text", at: 4, "the section states no licence")
    }
    return PackageLicense(
      expression: expression.isEmpty ? nil : expression, text: text.isEmpty ? nil : text)
  }
}
