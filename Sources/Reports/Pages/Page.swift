import Fidelity
import PrintableText

/// The frame that all HTML reports share: one page without external resources, which is also well-formed XML.
///
/// The content security policy lets nothing be loaded. It allows the page's own style and script by their hashes, and
/// pictures that are part of the page. Without its script a page shows the same; only tables do not sort then.
package struct Page {
  /// What the page is about, as plain text.
  var title: String
  /// The verdict, and the word for it; nil for a page that judges nothing.
  var verdict: (kind: GateResult.Verdict, word: String)?
  /// The answer in one line, as plain text.
  var answer: String
  /// What to do about it, a sentence each, as plain text.
  var advice: [String] = []
  /// What casts doubt on the figures, a sentence each, as plain text.
  var warnings: [String] = []
  /// The sections, as lines of HTML.
  var body: [String] = []
  /// Remarks at the end of the page, as plain text.
  var remarks: [String] = []
  /// The version of the tool that measured.
  var toolVersion: String?

  /// - Parameters:
  ///   - title: what the page is about, as plain text.
  ///   - answer: the answer in one line, as plain text.
  init(title: String, answer: String) { (self.title, self.answer) = (title, answer) }

  /// What a page may load: nothing but its own style and script, and pictures in the page itself.
  package static let policy =
    "default-src 'none'; img-src data:; style-src '\(styleHash)'; script-src '\(scriptHash)'; base-uri 'none'; "
    + "form-action 'none'"

  /// The lines that all pages begin with, those of earlier versions, too.
  static let start = [
    "<!DOCTYPE html>", "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">", "<head>",
    "<meta charset=\"utf-8\"/>",
  ]

  /// The page, ending with a newline.
  func html() -> String {
    var lines = Self.start
    lines += [
      ReportMark.page, "<meta http-equiv=\"Content-Security-Policy\" content=\"\(Self.policy)\"/>",
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>",
      "<meta name=\"color-scheme\" content=\"light dark\"/>", "<title>\(escapedForXML(title))</title>",
      "<style>\(Self.style)</style>", "</head>", "<body>", "<header>", "<h1>\(escapedForXML(title))</h1>",
    ]
    let badge = verdict.map { "<strong class=\"badge \($0.kind.rawValue)\">\(escapedForXML($0.word))</strong> " } ?? ""
    lines.append("<p class=\"answer\">\(badge)\(escapedForXML(answer))</p>")
    if !advice.isEmpty {
      lines += ["<ul class=\"advice\" aria-label=\"What to do\">"]
      lines += advice.map { "<li>\(Self.withCode($0))</li>" } + ["</ul>"]
    }
    lines += warnings.map { "<p class=\"warning\"><strong>Warning:</strong> \(escapedForXML($0))</p>" }
    lines += ["</header>", "<main>"] + body + ["</main>"]
    let version = toolVersion.map { ["Made by quern \($0)"] } ?? []
    if !(remarks + version).isEmpty {
      lines += ["<footer>"] + (remarks + version).map { "<p>\(escapedForXML($0))</p>" } + ["</footer>"]
    }
    lines += ["<script>\(Self.script)</script>", "</body>", "</html>"]
    return lines.map { "\($0)\n" }.joined()
  }

  /// A text in which what stands between backquotes is code.
  static func withCode(_ text: String) -> String {
    text.split(separator: "`", omittingEmptySubsequences: false).enumerated().map { index, part in
      index % 2 == 0 ? escapedForXML(String(part)) : "<code>\(escapedForXML(String(part)))</code>"
    }.joined()
  }
}

/// Figures that a reader looks for first, as a row of tiles. Tiles without a value are left out.
func tiles(_ figures: [(title: String, value: String?, remark: String)]) -> [String] {
  let shown = figures.compactMap { figure in
    figure.value.map { value in
      let remark = figure.remark.isEmpty ? "" : "<span class=\"remark\">\(escapedForXML(figure.remark))</span>"
      return "<div><dt>\(escapedForXML(figure.title))</dt><dd>\(escapedForXML(value))\(remark)</dd></div>"
    }
  }
  return shown.isEmpty ? [] : ["<dl class=\"tiles\">"] + shown + ["</dl>"]
}

/// A table of titles and values. A title is shown once for a run of rows that share it, or have none.
func facts(_ rows: [(String, String)]) -> [String] {
  guard !rows.isEmpty else { return [] }
  return ["<table class=\"facts\"><tbody>"]
    + rows.indices.map { index in
      let title = index > 0 && rows[index - 1].0 == rows[index].0 ? "" : rows[index].0
      let head = title.isEmpty ? "<td></td>" : "<th scope=\"row\">\(escapedForXML(title))</th>"
      return "<tr>\(head)<td>\(escapedForXML(rows[index].1))</td></tr>"
    } + ["</tbody></table>"]
}

/// What the colours and marks of a chart mean.
///
/// - Parameter items: the class of a mark, and its meaning.
func legend(_ items: [(mark: String, meaning: String)]) -> String {
  let entries = items.map { item in
    "<li><svg class=\"key\" width=\"14\" height=\"14\" aria-hidden=\"true\">"
      + "<rect class=\"\(item.mark)\" x=\"1\" y=\"1\" width=\"12\" height=\"12\"/></svg>\(escapedForXML(item.meaning))</li>"
  }
  return "<ul class=\"legend\" aria-label=\"Legend\">\(entries.joined())</ul>"
}

/// A section that is closed at first.
func closed(_ summary: String, _ lines: [String]) -> [String] {
  ["<details><summary>\(escapedForXML(summary))</summary>"] + lines + ["</details>"]
}
