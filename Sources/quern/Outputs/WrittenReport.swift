import Checkpoints
import Files
import Reports

/// Tells reports, which a report may replace, from other files.
enum WrittenReport {
  private static let schemas = ["analysis", "efforts", "evaluation", "fidelity", "tune", "whiten"].map {
    "quern.\($0)/"
  }

  /// Whether a file is a report that this version or an earlier one wrote, of any command.
  ///
  /// - Parameter fileExtension: that of the report's name, in lower case.
  static func isOne(_ file: MappedFile, fileExtension: String) -> Bool {
    guard fileExtension == "json" else {
      let text = file.withBytes { String(decoding: $0.prefix(1 << 20), as: UTF8.self) }
      return ReportMark.isReport(text, as: fileExtension)
    }
    guard let members = StatedMembers(file) else { return false }
    return members.isAboutBuild || schemas.contains { members.schema?.hasPrefix($0) == true }
  }
}

/// The members by which JSON files are recognised.
struct StatedMembers {
  /// The schema that the file states, such as "quern.plan/1".
  let schema: String?
  /// Whether the file is the provenance of a package, or its bill of materials.
  let isAboutBuild: Bool

  /// `nil` for a file that does not begin with a JSON object.
  init?(_ file: MappedFile) {
    var (schema, isAboutBuild): (String?, Bool) = (nil, false)
    var json = JSONReader<FormatError>(file: file.storage)
    do throws(FormatError) {
      try json.object { (json, key, _) throws(FormatError) in
        switch key {
        case "schema": schema = try json.stringOrSkip()
        case "predicate", "metadata":
          let start = json.cursor.offset
          try json.skipValue()
          let value = String(decoding: file.storage.bytes[start..<json.cursor.offset], as: UTF8.self)
          if value.contains("\"urn:quern:convert:") || value.contains("\"quern:verdict\"") { isAboutBuild = true }
        default: try json.skipValue()
        }
      }
    } catch { return nil }
    (self.schema, self.isAboutBuild) = (schema, isAboutBuild)
  }
}
