import Files
import PackageFormat

/// The licence of the weights, as options state it.
package enum LicenseOption {
  /// The longest text that is stored, in bytes.
  private static let textLimit = 1 << 19

  /// Reads the values of `--license`.
  ///
  /// - Parameter values: SPDX licence expressions and paths of text files, at most one of each.
  /// - Returns: `nil` where there are no values.
  /// - Throws: `ConversionError.option` for a value that is neither or both, for two of one kind, and for a file that
  ///   is no text; `FileError` for a file that cannot be read.
  package static func license(_ values: [String]) throws -> PackageLicense? {
    var license = PackageLicense()
    for value in values {
      switch try parsed(value) {
      case .expression(let expression):
        if let other = license.expression { throw twice("SPDX expressions", other, value) }
        license.expression = expression
      case .text(let text):
        guard license.text == nil else { throw twice("files", values[0], value) }
        license.text = text
      }
    }
    return values.isEmpty ? nil : license
  }

  private enum Value {
    case expression(String)
    case text(String)
  }

  private static func parsed(_ value: String) throws -> Value {
    let expression: String
    do throws(SPDXExpression.Problem) {
      expression = try SPDXExpression(value).text
    } catch {
      if try value.contains("/") || FileIdentity.of(value) != nil { return .text(try text(value)) }
      throw ConversionError.option(
        "--license '\(value)' is neither a file nor an SPDX licence expression: \(error.text). Name a text file, or see "
          + "https://spdx.org/licenses")
    }
    guard try FileIdentity.of(value) == nil else {
      throw ConversionError.option(
        "--license \(value) is an SPDX licence expression and a file; write ./\(value) for the file, or run quern in "
          + "another folder for the expression")
    }
    guard expression.utf8.count <= 1024 else {
      throw ConversionError.option("--license: the expression has more than 1024 characters")
    }
    return .expression(expression)
  }

  private static func text(_ path: String) throws -> String {
    let file = try MappedFile(path: path)
    let text = file.withBytes { bytes in
      bytes.count <= textLimit && !bytes.contains(0) ? String(ofFile: bytes) : nil
    }
    guard let text else {
      throw ConversionError.option(
        "--license \(path): is not a text of at most \(textLimit) bytes in \(String.fileTextRule)")
    }
    return text
  }

  private static func twice(_ kind: String, _ first: String, _ second: String) -> ConversionError {
    .option("--license: '\(first)' and '\(second)' are both \(kind); give at most one of each kind")
  }
}
