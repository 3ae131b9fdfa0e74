import Fidelity

extension LossAnalysis {
  /// The analysis for a terminal of 100 columns: the network's figures, a line for each layer, the greatest loss first, what
  /// single layers cause, and where the bytes are.
  package func text() -> String {
    var lines = aligned(summaryRows)
    func section(_ title: String, _ legend: [String], _ table: [String]) {
      lines += ["", "  \(title)"] + legend.map { "  \($0)" } + [""] + table
    }
    section(
      "Signal to noise of each layer, in dB, the greatest loss first", Self.noiseLegend,
      table(Self.noiseHeader(withKind: false), layersByLoss.map { $0.noiseRow(withKind: false) }, textColumns: 2))
    let isolated = layersByDrift
    if !isolated.isEmpty {
      section(
        "Sensitivity: drift of the embedding due to one layer alone, in millionths", Self.driftLegend,
        table(Self.driftHeader, isolated.map(\.driftRow), textColumns: 1))
    }
    if !tensors.isEmpty {
      section(
        "Bytes: \(sizeSummary)", [],
        table(Self.tensorHeader, tensorsBySize.prefix(10).map { tensorRow($0) }, textColumns: 3))
    }
    if !assumptions.isEmpty { lines += [""] + assumptions.map { "  assumed: \(printable($0))" } }
    if !warnings.isEmpty { lines += [""] + warnings.map { "  warning: \(printable($0))" } }
    return lines.map { "\($0)\n" }.joined()
  }

  /// Titles and values, for people.
  var summaryRows: [(String, String)] {
    var rows = [
      ("reference", "\(printable(reference.architecture)), \(printable(reference.format))"),
      ("images", "\(figures.images) compared: \(printable(calibration.verifiedOn))"),
      ("", "layers measured on \(layerImages) of them, single layers' drift on \(isolatedImages)"),
      (
        "drift",
        "mean \(shownDrift(figures.drift.mean))  p50 \(shownDrift(figures.drift.p50))  "
          + "p99 \(shownDrift(figures.drift.p99))  max \(shownDrift(figures.drift.max))"
      ),
    ]
    for gate in confidence {
      let figure = "\(gate.name.title) \(gate.shownValue), 95 % from \(gate.shownInterval), limit \(gate.shownLimit)"
      // What there is to say of an inconclusive one has no room on the same line.
      rows += [("confidence", gate.doubt.isEmpty ? "\(figure): \(gate.verdict.rawValue)" : figure)]
      if !gate.doubt.isEmpty { rows.append(("", gate.doubt)) }
    }
    rows += figures.worstImages.prefix(5).map { ("worst", $0.line) }
    rows.append(("calibration", "\(calibration.images) images"))
    if let halves = calibration.halves {
      let figures = "\(shownShare(halves.median)), at worst \(shownShare(halves.worst))"
      rows.append(("", "ranges of two halves differ by \(figures)"))
      if let layer = calibration.worstLayer { rows.append(("", "those of \(printable(layer)) most")) }
    }
    rows += calibration.steps.map {
      ("", "with \($0.images) images, from those of all: \(shownShare($0.median)), at worst \(shownShare($0.worst))")
    }
    return rows
  }

  /// How many tensors there are, and their bytes, for people.
  var sizeSummary: String {
    let (raw, stored) = tensorBytes
    let share = raw > 0 ? ", \(shownShare(Double(stored) / Double(raw)))" : ""
    return "\(tensors.count) tensors of \(shownBytes(raw)), stored in \(shownBytes(stored))\(share)"
  }

  /// - Parameter withKind: whether there is room for the operator.
  static func noiseHeader(withKind: Bool) -> [String] {
    ["layer"] + (withKind ? ["operator"] : [])
      + ["held as", "arrives", "own", "weights", "round", "clip", "clipped"]
  }

  static let noiseLegend = [
    "arrives: int8 against float, with the loss of all layers before; own: what is lost here, by",
    "rounding the weights, rounding the output and clipping it; clipped: share of values beyond the",
    "range.",
  ]

  static let driftHeader = ["layer", "all", "weights", "output", "rounding", "clipping", "arrives dB"]

  static let driftLegend = [
    "weights: only they are int8; output: only it is held by levels, or only rounded, or only clipped;",
    "all: weights and output added up. Measured for the layers that lose most. What is added with its",
    "remainders is read unrounded.",
  ]

  static let tensorHeader = ["tensor", "type", "shape", "bytes", "stored", "of itself", "of all"]

  /// The cells under `tensorHeader`.
  func tensorRow(_ tensor: StoredTensor) -> [String] {
    let all = Double(max(tensorBytes.stored, 1))
    return [
      printable(tensor.name) + (tensor.copies > 0 ? " and \(tensor.copies) more" : ""), printable(tensor.elementType),
      printable(tensor.shape), shownBytes(tensor.bytes), shownBytes(tensor.storedBytes),
      shownShare(Double(tensor.storedBytes) / Double(max(tensor.bytes, 1))),
      shownShare(Double(tensor.storedBytes) / all),
    ]
  }
}

extension LayerLoss {
  /// The cells under `LossAnalysis.noiseHeader`.
  func noiseRow(withKind: Bool) -> [String] {
    [printable(name)] + (withKind ? [printable(kind)] : []) + [
      printable(format.replacing("with remainders", with: "+ rem")),
      shownDecibels(cumulativeNoise), shownDecibels(ownNoise), shownDecibels(weightNoise),
      shownDecibels(roundingNoise), shownDecibels(clippingNoise), saturatedShare.map(shownShare) ?? "-",
    ]
  }

  /// The cells under `LossAnalysis.driftHeader`.
  var driftRow: [String] {
    [printable(name)]
      + [isolatedDrift, weightDrift, activationDrift, roundingDrift, clippingDrift].map(shownMillionths)
      + [shownDecibels(cumulativeNoise)]
  }
}

/// A drift in millionths.
private func shownMillionths(_ drift: Double?) -> String { drift.map { fixed(1e6 * $0, decimals: 2) } ?? "-" }

func shownDecibels(_ noise: Double?) -> String {
  guard let noise else { return "-" }
  return LayerLoss.decibels(noise).map { fixed($0, decimals: 1) } ?? (noise == 0 ? "exact" : "-")
}

/// A share as a percentage.
func shownShare(_ share: Double) -> String { fixed(100 * share, decimals: 2) + " %" }

/// Columns, the first of text to the left, those of numbers to the right, within 100 characters: names that are too long
/// are shortened.
private func table(_ header: [String], _ rows: [[String]], textColumns: Int) -> [String] {
  let all = [header] + rows
  var widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
  let excess = widths.reduce(2 * widths.count, +) - 100
  widths[0] -= min(max(excess, 0), max(widths[0] - 16, 0))
  return all.map { row in
    let cells = row.indices.map { column in
      let text = shortened(row[column], to: column == 0 ? widths[0] : .max)
      let fill = String(repeating: " ", count: max(0, widths[column] - text.count))
      return column < textColumns ? text + fill : fill + text
    }
    return "  " + cells.joined(separator: "  ")
  }
}

/// The name of a layer with its words cut to as many letters as fit `width`: all its numbers stay, which is what tells
/// layers apart. What is still too long loses its middle.
func shortened(_ text: String, to width: Int) -> String {
  guard text.count > width, width > 2 else { return text }
  for letters in (2...12).reversed() {
    var (result, run) = ("", 0)
    for character in text {
      run = character.isLetter ? run + 1 : 0
      if run <= letters { result.append(character) }
    }
    if result.count <= width { return result }
  }
  return text.prefix(width / 2 - 1) + "…" + text.suffix(width - width / 2)
}
