import Fidelity
import FoundationEssentials
import PrintableText

extension LossAnalysis {
  /// The analysis as one HTML page without scripts or external resources; its images are embedded. The page is also
  /// well-formed XML.
  package func html() -> String {
    let title = "Quantisation loss in \(escapedForXML(reference.architecture))"
    var lines = [
      "<!DOCTYPE html>", "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">", "<head>",
      "<meta charset=\"utf-8\"/>", "<title>\(title)</title>", "<style>\(Self.style)</style>", "</head>", "<body>",
      "<h1>\(title)</h1>",
    ]
    lines += warnings.map { "<p class=\"warning\">\(escapedForXML($0))</p>" }
    lines += ["<table class=\"facts\">"] + definitionRows(summaryRows)
    lines += definitionRows([("checkpoint", "sha256 \(printable(reference.sha256))")])
    lines += definitionRows(assumptions.map { ("assumed", printable($0)) })
    lines += definitionRows(
      [
        ("calibration set", calibrationSet?.title), ("verification set", verificationSet?.title),
        ("quern", toolVersion),
      ]
      .compactMap { title, value in value.map { (title, printable($0)) } })
    lines += definitionRows(
      settings.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, "\($0.value)") })
    lines += ["</table>"] + imageSections + layerSections + sizeSections + ["</body>", "</html>"]
    return lines.map { "\($0)\n" }.joined()
  }

  static let style =
    "body{font:14px/1.4 sans-serif;margin:2em;color:#222;background:#fff}"
    + "h2{margin:1.6em 0 .4em}p{max-width:60em;margin:.4em 0}"
    + "table{border-collapse:collapse}td,th{padding:.1em .6em;text-align:left;vertical-align:top}"
    + ".numbers td,.numbers th{white-space:nowrap}.numbers td.r{white-space:normal;min-width:14em}.numbers tr:nth-child(even){background:#f2f2f2}"
    + ".numbers td.n,.numbers th.n{text-align:right;font-variant-numeric:tabular-nums}"
    + ".facts td{max-width:70em;overflow-wrap:anywhere}.facts th{font-weight:600}"
    + ".warning{background:#fff3cd;padding:.5em 1em}svg text{font:11px sans-serif;fill:#222}"
    + ".row{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0}"
    + "figcaption{font-size:11px;max-width:14em;overflow-wrap:anywhere}"
    + ".pictures img{image-rendering:pixelated;width:128px;height:auto;display:block}summary{cursor:pointer;margin:.6em 0}"

  private func definitionRows(_ rows: [(String, String)]) -> [String] {
    rows.indices.map { index in
      let title = index > 0 && rows[index - 1].0 == rows[index].0 ? "" : rows[index].0
      return "<tr><th>\(escapedForXML(title))</th><td>\(escapedForXML(rows[index].1))</td></tr>"
    }
  }

  // MARK: - Sections

  private var imageSections: [String] {
    var lines = [
      "<h2>Drift of the images</h2>", "<p>Number of images by drift, from 0 to the largest.</p>", driftPlot(),
    ]
    guard !pictures.isEmpty else { return lines }
    lines += [
      "<h2>The images that drifted most</h2>",
      "<p>The pixels that the networks read, scaled to at most 128 per side.</p>", "<div class=\"row pictures\">",
    ]
    let drifts = Dictionary(figures.worstImages.map { ($0.name, $0.drift) }, uniquingKeysWith: max)
    lines += pictures.map { image in
      let caption = "\(escapedForXML(shownDrift(drifts[image.name])))<br/>\(escapedForXML(image.name))"
      return "<figure><img alt=\"\" width=\"\(image.width)\" height=\"\(image.height)\" "
        + "src=\"\(image.dataURI)\"/><figcaption>\(caption)</figcaption></figure>"
    }
    return lines + ["</div>"]
  }

  private var layerSections: [String] {
    var lines = ["<h2>Signal-to-noise ratio (SNR) of each layer</h2>"]
    lines.append(
      "<p>In order of execution; longer bars are better. Filled: accumulated SNR, dB, of int8 against float, "
        + "including the loss of all layers before. Outlined, and in brackets: this layer's SNR, dB.</p>")
    lines.append(noisePlot())
    if !layersByDrift.isEmpty {
      lines += ["<h2>Sensitivity to single layers</h2>"]
      lines.append(
        "<p>Drift of the embedding, in millionths, when only one layer is quantised. "
          + "\(escapedForXML(Self.driftLegend.joined(separator: " ")))</p>")
      lines += numbers(Self.driftHeader, layersByDrift.map(\.driftRow), textColumns: 1)
    }
    lines += ["<h2>Ranges</h2>"]
    lines.append(
      "<p>Filled: the range that the levels cover. Line: the values that calibration saw. Each bar is scaled to its "
        + "wider range (shown right).</p>")
    lines.append(rangePlot())
    lines += [
      "<h2>Layers, greatest loss first</h2>",
      "<p>accumulated SNR: int8 against float, including the loss of all layers before; this layer's SNR: the loss "
        + "of rounding its weights, rounding its output and clipping it, each shown in dB, too; clipped: share of "
        + "values outside the range; bytes: of the constants, before compression; halves: by how much the ranges from "
        + "two halves of the calibration images differ.</p>",
    ]
    let header = Self.noiseHeader(withKind: true) + ["bytes", "scale", "zero point", "halves"]
    let rows = layersByLoss.map { layer in
      layer.noiseRow(withKind: true) + [
        shownBytes(layer.bytes), layer.scale.map { "\($0)" } ?? "-", layer.zeroPoint.map { "\($0)" } ?? "-",
        layer.rangeDifference.map(shownShare) ?? "-",
      ]
    }
    return lines + numbers(header, rows, textColumns: 3, remarks: ("reason", layersByLoss.map(\.reason)))
  }

  private var sizeSections: [String] {
    var lines: [String] = []
    if !tensors.isEmpty {
      lines += ["<h2>Where the bytes are</h2>"]
      lines.append(
        "<p>\(escapedForXML(sizeSummary)). Outlined: before compression; filled: as stored. Largest first.</p>")
      lines += [sizePlot(), "<details><summary>All tensors</summary>"]
      lines += numbers(Self.tensorHeader, tensorsBySize.map { tensorRow($0) }, textColumns: 3) + ["</details>"]
    }
    let weighted = layers.compactMap { layer in layer.levels.map { (layer, $0) } }
    guard !weighted.isEmpty else { return lines }
    lines += ["<h2>Int8 weights</h2>"]
    lines.append(
      "<p>How often weights take each level, from -128 to 127 in \(LevelHistogram.binCount) bins, scaled to the "
        + "tallest; and the entropy of a level in bits, to compare with the bits stored for it.</p>")
    lines += ["<details><summary>\(weighted.count) layers</summary>", "<div class=\"row\">"]
    lines += weighted.map { layer, levels in
      let stored = tensors.first { $0.layer == layer.name && $0.role == "weight" }
      let bits = stored.map {
        ", stored in \(fixed(8 * Double($0.storedBytes) / Double(max($0.bytes, 1)), decimals: 2))"
      }
      return "<figure>\(levelPlot(levels))<figcaption>\(escapedForXML(layer.name))<br/>"
        + "\(fixed(levels.entropy, decimals: 2)) bits\(bits ?? "")</figcaption></figure>"
    }
    return lines + ["</div>", "</details>"]
  }

  /// A table whose first `textColumns` columns are text and the others numbers, except a last column of remarks.
  private func numbers(
    _ header: [String], _ rows: [[String]], textColumns: Int, remarks: (title: String, texts: [String])? = nil
  ) -> [String] {
    func line(_ cells: [String], _ tag: String, _ remark: String?) -> String {
      let cells = cells.enumerated().map { column, text in
        "<\(tag)\(column < textColumns ? "" : " class=\"n\"")>\(escapedForXML(text))</\(tag)>"
      }
      let last = remark.map { "<\(tag) class=\"r\">\(escapedForXML($0))</\(tag)>" } ?? ""
      return "<tr>\(cells.joined())\(last)</tr>"
    }
    return ["<table class=\"numbers\">", line(header, "th", remarks?.title)]
      + rows.enumerated().map { line($1, "td", remarks?.texts[$0]) } + ["</table>"]
  }
}

extension Picture {
  /// The PNG file as a URL that a page can embed.
  var dataURI: String { "data:image/png;base64,\(Data(png).base64EncodedString())" }
}
