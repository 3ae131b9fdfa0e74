/// The marks by which reports are known, so that a report replaces no file that is none. In JSON, it is the schema.
package enum ReportMark {
  /// An element of all pages.
  static let page = "<meta name=\"generator\" content=\"quern\"/>"
  /// The second block of reports in Markdown, which is not shown.
  static let markdown = "<!-- Written by quern -->"

  /// Whether a text is a report that this version, or an earlier one, wrote.
  ///
  /// - Parameters:
  ///   - text: the file, or its start.
  ///   - fileExtension: "html", "md", "xml" or "txt".
  package static func isReport(_ text: String, as fileExtension: String) -> Bool {
    switch fileExtension {
    case "html": isPage(text)
    case "md": isMarkdown(text)
    case "xml": text.hasPrefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"quern\" ")
    // Of a network's analysis.
    case "txt": text.hasPrefix("  reference ") && text.contains("\n  calibration ")
    default: false
    }
  }

  private static func isPage(_ text: String) -> Bool {
    let start = Page.start.map { "\($0)\n" }.joined()
    guard text.hasPrefix(start) else { return false }
    let next = text.dropFirst(start.count)
    // Pages of earlier versions have a policy, or a title, in place of the mark.
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
    return [page, policy, "<title>"].contains { next.hasPrefix($0) }
  }

  private static func isMarkdown(_ text: String) -> Bool {
    let lines = text.split(separator: "\n", maxSplits: 3, omittingEmptySubsequences: false)
    guard lines.count > 3, lines[0].hasPrefix("### "), lines[1].isEmpty else { return false }
    // Reports of earlier versions have no mark.
    return lines[2] == markdown || lines[0].hasPrefix("### Whitening of ")
      || [
        "\n| gate | value | limit | result |", "\n| gate | model | value | limit | result |",
        "\n| figure (95 % confidence interval) |",
      ].contains { text.contains($0) }
  }
}
