extension LossAnalysis {
  /// The analysis as one page without scripts or anything to load. It is well-formed XML, too.
  public func html() -> String {
    let title = "What int8 lost in \(escapedForXML(reference.architecture))"
    var lines = [
      "<!DOCTYPE html>", "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">", "<head>",
      "<meta charset=\"utf-8\"/>", "<title>\(title)</title>", "<style>\(Self.style)</style>", "</head>", "<body>",
      "<h1>\(title)</h1>",
    ]
    lines += warnings.map { "<p class=\"warning\">\(escapedForXML($0))</p>" }
    lines += ["<table>"] + definitionRows(summaryRows)
    lines += definitionRows([("checkpoint", "sha256 \(printable(reference.sha256))")])
    lines += definitionRows(
      settings.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, "\($0.value)") })
    lines += ["</table>", "<h2>Drift of the images</h2>", driftPlot()]
    lines += ["<h2>Signal to noise of each layer</h2>"]
    lines.append(
      "<p>In order of execution. Filled: what arrives, int8 against float, with the loss of all layers before. "
        + "Outlined: the layer's own loss. Longer is better.</p>")
    lines.append(noisePlot())
    lines += ["<h2>Ranges</h2>"]
    lines.append(
      "<p>Filled: what the levels reach. Line: what calibration saw. Each by the larger of the two.</p>")
    lines.append(rangePlot())
    lines += [
      "<h2>Layers, the greatest loss first</h2>", "<p>\(escapedForXML(Self.legend.joined(separator: " ")))</p>",
    ]
    lines += layerTable + ["</body>", "</html>"]
    return lines.map { "\($0)\n" }.joined()
  }

  private static let style =
    "body{font:14px/1.4 sans-serif;margin:2em;color:#222;background:#fff}"
    + "table{border-collapse:collapse}td,th{padding:.1em .6em;text-align:left;vertical-align:top}"
    + ".layers td+td+td+td,.layers th+th+th+th{text-align:right}.layers tr:nth-child(even){background:#f2f2f2}"
    + ".warning{background:#fff3cd;padding:.5em 1em}svg text{font:11px sans-serif;fill:#222}"

  private func definitionRows(_ rows: [(String, String)]) -> [String] {
    rows.map { "<tr><th>\(escapedForXML($0.0))</th><td>\(escapedForXML($0.1))</td></tr>" }
  }

  private var layerTable: [String] {
    let header = (Self.layerHeader + ["scale", "zero", "halves", "why"]).map { "<th>\(escapedForXML($0))</th>" }
      .joined()
    let rows = layersByLoss.map { layer in
      let extra = [
        layer.scale.map { "\($0)" } ?? "-", layer.zeroPoint.map { "\($0)" } ?? "-",
        layer.rangeDifference.map(shownShare) ?? "-", layer.reason,
      ]
      return "<tr>" + (layer.row + extra).map { "<td>\(escapedForXML($0))</td>" }.joined() + "</tr>"
    }
    return ["<table class=\"layers\">", "<tr>\(header)</tr>"] + rows + ["</table>"]
  }
}
