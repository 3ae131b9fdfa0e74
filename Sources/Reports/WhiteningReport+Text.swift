import Fidelity
import PrintableText
import Retrieval

/// A file format of whitening reports; the raw value is its file name extension.
package enum WhiteningFormat: String, ReportFileFormat {
  /// One HTML page without scripts or external resources.
  case html
  /// The schema `quern.whiten/1`.
  case json
  /// GitHub's Markdown.
  case markdown = "md"

  package static func unknownExtension(of path: String) -> ReportError { .whiteningFormat(path: path) }
}

extension WhiteningReport: FileReport {
  package func rendered(as format: WhiteningFormat) throws -> String {
    switch format {
    case .html: html()
    case .json: try json()
    case .markdown: markdown()
    }
  }

  /// The report for a terminal.
  ///
  /// - Parameter colored: whether to colour warnings by ANSI escape sequences.
  package func text(colored: Bool = false) -> String {
    let paint = Paint(enabled: colored)
    var lines = warnings.map { paint.verdict(.inconclusive, "WARNING") + "  \(printable($0))" }
    lines += notes.map(printable)
    if let precision {
      let rows = [PrecisionByDimension.header] + precision.rows
      let widths = PrecisionByDimension.header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
      lines += ["", precision.summary, ""]
      lines += rows.map { row in
        var line = "  " + zip(row, widths).map { padded($0, to: $1) }.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line
      }
    }
    return lines.map { "\($0)\n" }.joined()
  }

  /// The report in GitHub's Markdown.
  package func markdown() -> String {
    var blocks = ["### \(escapedForMarkdown("Whitening of \(checkpoint)"))", ReportMark.markdown]
    blocks += warnings.map { "> [!WARNING]\n> \(escapedForMarkdown($0))" }
    if let precision {
      blocks.append(escapedForMarkdown(precision.summary))
      blocks.append(markdownTable(PrecisionByDimension.header, precision.rows))
    }
    blocks += notes.map { "> \(escapedForMarkdown($0))" }
    return blocks.joined(separator: "\n\n") + "\n"
  }

  /// The report as one HTML page without scripts or external resources. The page is also well-formed XML.
  package func html() -> String {
    var page = Page(
      title: "Whitening of \(printable(checkpoint))", answer: precision?.summary ?? "The precision was not measured.")
    page.warnings = warnings
    if let precision {
      page.body += htmlTable("Precision by dimensions", PrecisionByDimension.header, precision.rows)
    }
    page.remarks = notes
    page.toolVersion = toolVersion
    return page.html()
  }

  /// The report as JSON (`quern.whiten/1`), keys sorted, ending with a newline. Values that do not exist are null.
  ///
  /// - Throws: `EncodingError` if encoding fails, which no value of a report should cause.
  package func json() throws -> String {
    let value: JSONValue = [
      "schema": .string(Self.schema), "checkpoint": .string(checkpoint), "output": .string(output),
      "whitening": .object(whitening), "skipped": .int(skipped), "precision": precision?.json ?? .null,
      "warnings": .array(warnings.map { .string($0) }), "notes": .array(notes.map { .string($0) }),
      "tool_version": .optional(toolVersion),
    ]
    return try jsonDocument(value)
  }
}

extension PrecisionByDimension {
  /// Such as "mAP of classes (trapezoids), validation: 1250 images at 64 px, square, p = 3, 1250 of them queries".
  fileprivate var summary: String {
    let made = copies == 0 ? "" : ", \(copies) augmented copies of each (\(recipe))"
    return "mAP of \(criterion.rawValue) (trapezoids), \(printable(images.name)): \(measured) images at \(input)\(made)"
      + (queries < measured ? ", \(queries) of them with something to find" : "")
  }

  fileprivate static let header = ["dimensions", "embedding", "mAP (95 % confidence interval)"]

  fileprivate var rows: [[String]] {
    points.map { point in
      let embedding = point.isWhitened ? "whitened" + (point.dimensions == written ? ", written" : "") : "before"
      return ["\(point.dimensions)", embedding, Estimate?.some(point.map).shown(decimals: 2, unit: " %")]
    }
  }

  fileprivate var json: JSONValue {
    [
      "criterion": .string(criterion.rawValue),
      "images": ["name": .string(images.name), "images": .int(images.images), "sha256": .string(images.sha256)],
      "input": .string(input), "measured_images": .int(measured), "queries": .int(queries), "copies": .int(copies),
      "augmentation": copies == 0 ? .null : .string(recipe), "learned_images": .int(learned),
      "points": .array(
        points.map { point in
          let members: [String: JSONValue] = [
            "dimensions": .int(point.dimensions), "whitened": .bool(point.isWhitened),
          ]
          return .object(members.merging(.members("map", point.map)) { $1 })
        }),
    ]
  }
}
