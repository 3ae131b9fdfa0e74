import Fidelity
import PrintableText
import Suggestions

extension LossAnalysis {
  /// The analysis as one HTML page that loads nothing; its images are embedded. The page is also well-formed XML.
  package func html() -> String {
    var page = Page(title: "Quantisation loss in \(printable(reference.architecture))", answer: answer)
    page.verdict = verdict.map { ($0, $0.word) }
    page.advice = advice
    page.warnings = warnings
    page.body = tiles([
      ("mean drift", figures.drift.mean.map { shownDrift($0) }, "0 is perfect"),
      (
        "greatest drift", figures.drift.max.map { shownDrift($0) },
        figures.worstImages.first.map { printable($0.name) } ?? ""
      ),
      (
        "top-1 agreement", figures.agreement.top1.map { shownPercent($0, of: figures.images) },
        "of \(figures.images) images"
      ),
      (
        "constants", tensors.isEmpty ? nil : shownBytes(tensorBytes.stored),
        "\(shownBytes(tensorBytes.raw)) uncompressed"
      ),
    ])
    page.body += graphSection + imageSections + layerSections + sizeSections + ["<h2>How it was measured</h2>"]
    page.body += facts(summaryRows + provenanceRows)
    page.toolVersion = toolVersion
    return page.html()
  }

  private var provenanceRows: [(String, String)] {
    var rows = [("checkpoint", "sha256 \(printable(reference.sha256))")]
    rows += assumptions.map { ("assumed", printable($0)) }
    if let calibrationSet { rows.append(("calibration set", calibrationSet.title)) }
    if let verificationSet { rows.append(("verification set", verificationSet.title)) }
    return rows
      + settings.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, "\($0.value)") }
  }

  /// The worst of the verdicts on figures with an interval; nil without any.
  private var verdict: GateResult.Verdict? {
    let verdicts = confidence.map(\.verdict)
    return verdicts.isEmpty
      ? nil : verdicts.contains(.fail) ? .fail : verdicts.contains(.inconclusive) ? .inconclusive : .pass
  }

  /// The figures that decide, and the layer that loses most.
  private var answer: String {
    guard figures.images > 0 else { return "No image was compared." }
    let figures = confidence.map { "\($0.name.title) \($0.shownValue), limit \($0.shownLimit)" }
    var text = figures.isEmpty ? "Mean drift \(shownDrift(self.figures.drift.mean))" : figures.joined(separator: "; ")
    if let worst = layersByLoss.first, let decibels = LayerLoss.decibels(worst.layerNoise) {
      text +=
        ". The layer \(printable(worst.name)) adds the largest error: its own SNR is \(fixed(decibels, decimals: 1)) dB"
    }
    return text.prefix(1).uppercased() + text.dropFirst() + "."
  }

  private var advice: [String] {
    var advice = confidence.filter { !$0.doubt.isEmpty }.map { "\($0.name.title): \($0.doubt)." }
    if let worst = layersByDrift.first, let drift = worst.isolatedDrift, drift > 0 {
      advice.append(
        "If drift must fall, keep the layer that contributes most in float: `--keep-float \(shellWord(printable(worst.name)))`. "
          + "Alone it causes a drift of \(fixed(1e6 * drift, decimals: 2)) millionths.")
    }
    if verdict == .fail { advice.append("Or try `--effort thorough`, which uses 16-bit inputs and learned rounding.") }
    if !pictures.isEmpty {
      advice.append("Look at the images that drift most, below: are they what the network will see?")
    }
    return advice
  }

  // MARK: - Sections

  private var imageSections: [String] {
    var lines = ["<h2>Drift of the images</h2>", driftPlot()]
    guard !pictures.isEmpty else { return lines }
    lines += [
      "<h3>The images that drifted most</h3>",
      "<p>The pixels that the networks read, scaled to at most 128 per side. The number is the drift.</p>",
      "<div class=\"row pictures\">",
    ]
    let drifts = Dictionary(figures.worstImages.map { ($0.name, $0.drift) }, uniquingKeysWith: max)
    lines += pictures.map { figure($0, $0.name, title: shownDrift(drifts[$0.name])) }
    return lines + ["</div>"]
  }

  private var layerSections: [String] {
    var lines: [String] = []
    if !layersByDrift.isEmpty {
      lines += ["<h2>Sensitivity to single layers</h2>"]
      lines.append(
        "<p>Drift of the embedding, in millionths, when only one layer is quantised. "
          + "\(escapedForXML(Self.driftLegend.joined(separator: " ")))</p>")
      lines +=
        PageTable("Drift due to single layers, in millionths", Self.driftHeader, texts: layersByDrift.map(\.driftRow))
        .html
    }
    lines += [
      "<h2>Layers, greatest loss first</h2>",
      "<p>Accumulated SNR: int8 against float, including the loss of all layers before. This layer's SNR: the loss "
        + "of rounding its weights, rounding its output and clipping it, each shown in dB, too. Clipped: share of "
        + "values outside the range. Bytes: of the constants, before compression. Halves: by how much the ranges from "
        + "two halves of the calibration images differ.</p>",
    ]
    lines += layerTable.html + ["<h2>Ranges</h2>"]
    lines.append("<p>Each bar is scaled to its wider range, whose width is at the right, in units of the output.</p>")
    lines.append(legend([("bar", "the range that levels cover"), ("seen", "the values that calibration saw")]))
    return lines + closed("All ranges", [rangePlot()])
  }

  private var layerTable: PageTable {
    let header = Self.noiseHeader(withKind: true) + ["bytes", "scale", "zero point", "halves", "reason"]
    let positions = Dictionary(layers.indices.map { (layers[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
    let rows = layersByLoss.map { layer -> [PageTable.Cell] in
      var cells = layer.noiseRow(withKind: true).map { PageTable.Cell($0) }
      for (column, noise) in [
        layer.cumulativeNoise, layer.layerNoise, layer.weightNoise, layer.roundingNoise, layer.clippingNoise,
      ].enumerated() {
        cells[3 + column] = PageTable.Cell(noise: noise)
      }
      return cells + [
        PageTable.Cell(bytes: layer.bytes), .init(layer.scale.map { "\($0)" } ?? "-"),
        .init(layer.zeroPoint.map { "\($0)" } ?? "-"), .init(layer.rangeDifference.map(shownShare) ?? "-"),
        .init(layer.reason),
      ]
    }
    var table = PageTable("Figures of the layers", header, textColumns: 3, rows)
    table.identifiers = layersByLoss.map { Self.identifier(positions[$0.name] ?? 0) }
    table.columns[header.count - 1].isNumber = false
    table.wideColumns = [header.count - 1]
    return table
  }

  private var sizeSections: [String] {
    var lines: [String] = []
    if !tensors.isEmpty {
      lines += ["<h2>Where the bytes are</h2>", "<p>\(escapedForXML(sizeSummary)). Largest first.</p>"]
      lines += [legend([("bar", "as stored"), ("seen", "before compression")]), sizePlot()]
      let rows = tensorsBySize.map { tensor in
        var cells = tensorRow(tensor).map { PageTable.Cell($0) }
        (cells[3], cells[4]) = (PageTable.Cell(bytes: tensor.bytes), PageTable.Cell(bytes: tensor.storedBytes))
        return cells
      }
      lines += closed("All tensors", PageTable("Tensors", Self.tensorHeader, textColumns: 3, rows).html)
    }
    let weighted = layers.compactMap { layer in layer.levels.map { (layer, $0) } }
    guard !weighted.isEmpty else { return lines }
    lines += ["<h2>Int8 weights</h2>"]
    lines.append(
      "<p>How often weights take each level, from -128 to 127 in \(LevelHistogram.binCount) bins, scaled to the "
        + "tallest; and the entropy of a level in bits, to compare with the bits stored for it.</p>")
    let figures = weighted.map { layer, levels in
      let stored = tensors.first { $0.layer == layer.name && $0.role == "weight" }
      let bits = stored.map {
        ", stored in \(fixed(8 * Double($0.storedBytes) / Double(max($0.bytes, 1)), decimals: 2))"
      }
      return "<figure>\(levelPlot(levels, name: layer.name))<figcaption>\(escapedForXML(layer.name))<br/>"
        + "\(fixed(levels.entropy, decimals: 2)) bits\(bits ?? "")</figcaption></figure>"
    }
    return lines + closed("\(weighted.count) layers", ["<div class=\"row\">"] + figures + ["</div>"])
  }
}
