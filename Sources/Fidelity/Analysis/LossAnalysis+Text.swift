extension LossAnalysis {
  /// The analysis for a terminal: the network's figures, then a line for each layer, the greatest loss first.
  public func text() -> String {
    var lines = aligned(summaryRows) + [""]
    lines += table(Self.layerHeader, layersByLoss.map(\.row)) + [""]
    lines += Self.legend.map { "  \($0)" }
    if !warnings.isEmpty { lines += [""] + warnings.map { "  warning: \(printable($0))" } }
    return lines.map { "\($0)\n" }.joined()
  }

  /// Titles and values, for people.
  var summaryRows: [(String, String)] {
    var rows = [
      ("reference", "\(printable(reference.architecture)), \(printable(reference.format))"),
      ("images", "\(figures.images) compared: \(printable(calibration.verifiedOn)); layers on \(layerImages)"),
      (
        "drift",
        "mean \(shownDrift(figures.drift.mean))  p50 \(shownDrift(figures.drift.p50))  "
          + "p99 \(shownDrift(figures.drift.p99))  max \(shownDrift(figures.drift.max))"
      ),
    ]
    rows += confidence.compactMap(\.confidenceSentence).map { ("confidence", $0) }
    rows += figures.worstImages.prefix(5).map { ("worst", $0.line) }
    rows.append(("calibration", "\(calibration.images) images"))
    if let halves = calibration.halves {
      let layer = calibration.worstLayer.map { " (\(printable($0)))" } ?? ""
      rows.append(
        (
          "",
          "ranges of two halves differ by \(shownShare(halves.median)) in the median, at worst "
            + "\(shownShare(halves.worst))\(layer)"
        ))
    }
    rows += calibration.steps.map {
      ("", "with \($0.images) images, from those of all: \(shownShare($0.median)), at worst \(shownShare($0.worst))")
    }
    return rows
  }

  static let layerHeader = [
    "layer", "operator", "held as", "own dB", "arrives dB", "rounding", "clipping", "weights", "clipped", "drift",
    "w drift", "bytes",
  ]

  static let legend = [
    "dB: signal to noise of the float output's values; own: what is lost here, by rounding, clipping and the weights'",
    "rounding, in dB each; arrives: int8 against float, with the loss of all layers before. clipped: share of values",
    "beyond the range. drift, w drift: mean drift of the embedding where only this output, only these weights are",
    "quantised; measured for the layers that lose most. bytes: of the constants, before compression.",
  ]
}

extension LayerLoss {
  /// The cells under `LossAnalysis.layerHeader`.
  var row: [String] {
    [
      printable(name), printable(kind), printable(format), shownDecibels(ownNoise), shownDecibels(cumulativeNoise),
      shownDecibels(roundingNoise), shownDecibels(clippingNoise), shownDecibels(weightNoise),
      saturatedShare.map(shownShare) ?? "-", shownDrift(activationDrift), shownDrift(weightDrift), shownBytes(bytes),
    ]
  }
}

func shownDecibels(_ noise: Double?) -> String {
  guard let noise else { return "-" }
  return LayerLoss.decibels(noise).map { fixed($0, decimals: 1) } ?? (noise == 0 ? "exact" : "-")
}

/// A share as a percentage.
func shownShare(_ share: Double) -> String { fixed(100 * share, decimals: 2) + " %" }

/// Columns: the first three to the left, the others to the right.
private func table(_ header: [String], _ rows: [[String]]) -> [String] {
  let all = [header] + rows
  let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
  return all.map { row in
    let cells = row.indices.map { column in
      let fill = String(repeating: " ", count: widths[column] - row[column].count)
      return column < 3 ? row[column] + fill : fill + row[column]
    }
    return "  " + cells.joined(separator: "  ")
  }
}
