import Fidelity
import PrintableText

extension LossAnalysis {
  /// The analysis for a terminal of 100 columns: the network's figures, a line for each layer with the greatest loss
  /// first, the drift that single layers cause, and where the bytes are.
  package func text() -> String {
    var lines = aligned(summaryRows)
    func section(_ title: String, _ legend: [String], _ table: [String]) {
      lines += ["", "  \(title)"] + legend.map { "  \($0)" } + [""] + table
    }
    section(
      "Signal-to-noise ratio (SNR) of each layer, in dB, greatest loss first", Self.noiseLegend,
      textTable(Self.noiseHeader(withKind: false), layersByLoss.map { $0.noiseRow(withKind: false) }, textColumns: 2))
    let isolated = layersByDrift
    if !isolated.isEmpty {
      section(
        "Sensitivity: drift of the embedding due to one layer alone, in millionths", Self.driftLegend,
        textTable(Self.driftHeader, isolated.map(\.driftRow), textColumns: 1))
    }
    if !tensors.isEmpty {
      section(
        "Bytes: \(sizeSummary)", [],
        textTable(Self.tensorHeader, tensorsBySize.prefix(10).map { tensorRow($0) }, textColumns: 3))
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
      let figure =
        "\(gate.name.title) \(gate.shownValue), 95 % interval \(gate.shownInterval), limit \(gate.shownLimit)"
      // The remark on an inconclusive gate does not fit on the same line.
      rows += [("confidence", gate.doubt.isEmpty ? "\(figure): \(gate.verdict.rawValue)" : figure)]
      if !gate.doubt.isEmpty { rows.append(("", gate.doubt)) }
    }
    rows += figures.worstImages.prefix(5).map { ("worst", $0.line) }
    rows.append(("calibration", "\(calibration.images) images"))
    if let halves = calibration.halves {
      let figures = "\(shownShare(halves.median)), at most by \(shownShare(halves.worst))"
      rows.append(("", "ranges from two halves of the images differ by \(figures)"))
      if let layer = calibration.worstLayer { rows.append(("", "largest difference in \(printable(layer))")) }
    }
    rows += calibration.steps.map {
      (
        "",
        "ranges from \($0.images) images differ from those of all by \(shownShare($0.median)), at most by "
          + shownShare($0.worst)
      )
    }
    return rows
  }

  /// The number of tensors and their bytes, for people.
  var sizeSummary: String {
    let (raw, stored) = tensorBytes
    let share = raw > 0 ? ", \(shownShare(Double(stored) / Double(raw)))" : ""
    return "\(tensors.count) tensors of \(shownBytes(raw)), stored in \(shownBytes(stored))\(share)"
  }

  /// The columns of the table of layers.
  ///
  /// - Parameter withKind: whether there is room for the operator and for columns' full names, as in HTML.
  static func noiseHeader(withKind: Bool) -> [String] {
    withKind
      ? [
        "layer", "operator", "stored as", "accumulated SNR, dB", "this layer's SNR, dB", "weights", "rounding",
        "clipping", "clipped",
      ]
      : ["layer", "stored as", "accum.", "alone", "weights", "round", "clip", "clipped"]
  }

  static let noiseLegend = [
    "accum.: accumulated SNR, dB: int8 against float, including the loss of all layers before; alone:",
    "this layer's SNR, dB: the loss of rounding its weights, rounding its output and clipping it, whose",
    "SNR follow; clipped: share of values outside the range; uint8 + 8: uint8 + 8-bit remainder.",
  ]

  static let driftHeader = ["layer", "all", "weights", "output", "rounding", "clipping", "accum. dB"]

  static let driftLegend = [
    "weights: only the layer's weights are int8; output: only its output is quantised; rounding and",
    "clipping: its output is only rounded, or only clipped; all: weights plus output. Measured for the",
    "layers with the greatest loss. A residual with an 8-bit remainder is read unrounded.",
  ]

  static let tensorHeader = ["tensor", "type", "shape", "bytes", "stored", "ratio", "of total"]

  /// The cells under `tensorHeader`.
  func tensorRow(_ tensor: StoredTensor) -> [String] {
    let total = Double(max(tensorBytes.stored, 1))
    return [
      printable(tensor.name) + (tensor.copies > 0 ? " and \(tensor.copies) more" : ""), printable(tensor.elementType),
      printable(tensor.shape), shownBytes(tensor.bytes), shownBytes(tensor.storedBytes),
      shownShare(Double(tensor.storedBytes) / Double(max(tensor.bytes, 1))),
      shownShare(Double(tensor.storedBytes) / total),
    ]
  }
}

extension LayerLoss {
  /// The cells under `LossAnalysis.noiseHeader`.
  func noiseRow(withKind: Bool) -> [String] {
    [printable(name)] + (withKind ? [printable(kind)] : []) + [
      printable(format.replacing("with remainders", with: withKind ? "+ 8-bit remainder" : "+ 8")),
      shownDecibels(cumulativeNoise), shownDecibels(layerNoise), shownDecibels(weightNoise),
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

/// A ratio of noise to signal as a signal-to-noise ratio in dB; "exact" without noise.
func shownDecibels(_ noise: Double?) -> String {
  guard let noise else { return "-" }
  return LayerLoss.decibels(noise).map { fixed($0, decimals: 1) } ?? (noise == 0 ? "exact" : "-")
}

/// A share as a percentage.
func shownShare(_ share: Double) -> String { fixed(100 * share, decimals: 2) + " %" }

/// Lines of aligned columns: the first `textColumns` to the left, those of numbers to the right. Names in the first
/// column are shortened where lines would be longer than 100 characters.
func textTable(_ header: [String], _ rows: [[String]], textColumns: Int) -> [String] {
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

/// A layer's name with each word cut to as many letters as fit in `width` characters. All digits stay, as they tell
/// layers apart. A name that is still too long loses its middle.
func shortened(_ text: String, to width: Int) -> String {
  let count = text.count
  guard count > width, width > 2 else { return text }
  for letters in (2...12).reversed() {
    var (result, run) = ("", 0)
    for character in text {
      run = character.isLetter ? run + 1 : 0
      if run <= letters { result.append(character) }
    }
    if result.count <= width { return result }
  }
  // Not the suffix: a step backwards over flags goes to the first of them.
  let end = text.dropFirst(count - (width - width / 2))
  return text.prefix(width / 2 - 1) + "…" + end
}
