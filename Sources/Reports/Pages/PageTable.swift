import Fidelity

/// A table that readers can sort by each of its columns. It scrolls by itself where it is wider than the screen.
struct PageTable {
  /// A column.
  struct Column {
    /// The title with the unit, if any.
    var title: String
    /// Whether the cells are numbers, aligned to the right.
    var isNumber: Bool
  }

  /// A cell.
  struct Cell {
    /// What is shown.
    var text: String
    /// What a column of numbers is sorted by; nil where that is the number that the text begins with.
    var key: Double?
    /// The class of the cell, such as that of a verdict.
    var style: String?

    init(_ text: String, key: Double? = nil, style: String? = nil) {
      (self.text, self.key, self.style) = (text, key, style)
    }

    /// A number of bytes.
    init(bytes: Int) { self.init(shownBytes(bytes), key: Double(bytes)) }

    /// A ratio of noise to signal in dB.
    init(noise: Double?) { self.init(shownDecibels(noise), key: noise == 0 ? 9999 : nil) }

    /// A verdict.
    init(_ verdict: GateResult.Verdict, _ text: String) { self.init(text, style: "verdict \(verdict.rawValue)") }
  }

  /// What the table shows, for readers who do not see where it stands.
  var caption: String
  var columns: [Column]
  var rows: [[Cell]]
  /// The identifier of each row, to which a page may link; empty where there are none.
  var identifiers: [String] = []
  /// The columns that may break into several lines.
  var wideColumns: Set<Int> = []

  /// - Parameter textColumns: how many columns, from the first, are text; the others are numbers.
  init(_ caption: String, _ titles: [String], textColumns: Int = 1, _ rows: [[Cell]]) {
    self.caption = caption
    columns = titles.enumerated().map { Column(title: $1, isNumber: $0 >= textColumns) }
    self.rows = rows
  }

  /// - Parameter rows: the texts of cells.
  init(_ caption: String, _ titles: [String], textColumns: Int = 1, texts rows: [[String]]) {
    self.init(caption, titles, textColumns: textColumns, rows.map { $0.map { Cell($0) } })
  }

  /// The lines of HTML.
  var html: [String] {
    let name = escapedForXML(caption)
    let head = columns.map { column in
      "<th scope=\"col\"\(column.isNumber ? " class=\"n\"" : "")>\(escapedForXML(column.title))</th>"
    }
    let sorts = rows.count > 1 ? " sorts" : ""
    let dense = columns.count > 8 ? " dense" : ""
    return [
      "<div class=\"scroll\" role=\"region\" aria-label=\"\(name)\" tabindex=\"0\">",
      "<table class=\"numbers\(sorts)\(dense)\"><caption>\(name)</caption>", "<thead><tr>\(head.joined())</tr></thead>",
      "<tbody>",
    ] + rows.indices.map(row) + ["</tbody></table>", "</div>"]
  }

  private func row(_ index: Int) -> String {
    let cells = rows[index].enumerated().map { column, cell in
      let isNumber = columns.indices.contains(column) && columns[column].isNumber
      let classes = [isNumber ? "n" : nil, wideColumns.contains(column) ? "wide" : nil, cell.style].compactMap(\.self)
      let attributes =
        (classes.isEmpty ? "" : " class=\"\(classes.joined(separator: " "))\"")
        + (cell.key.map { " data-k=\"\($0)\"" } ?? "")
      let (tag, scope) = column == 0 ? ("th", " scope=\"row\"") : ("td", "")
      return "<\(tag)\(scope)\(attributes)>\(escapedForXML(cell.text))</\(tag)>"
    }
    let identifier = identifiers.indices.contains(index) ? " id=\"\(identifiers[index])\" tabindex=\"-1\"" : ""
    return "<tr\(identifier)>\(cells.joined())</tr>"
  }
}

/// A table of texts whose first column is text.
func htmlTable(_ caption: String, _ header: [String], _ rows: [[String]]) -> [String] {
  PageTable(caption, header, texts: rows).html
}
