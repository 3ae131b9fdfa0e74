/// Plots as SVG elements. Coordinates are rounded to tenths, so that the same figures give the same bytes.
extension LossAnalysis {
  /// Counts of images by drift.
  func driftPlot() -> String {
    let (step, counts) = driftHistogram
    let tallest = Double(counts.max() ?? 1)
    let (width, height) = (24.0, 160.0)
    var marks: [String] = []
    for (index, count) in counts.enumerated() {
      let bar = height * Double(count) / tallest
      let limits = "\(shownDrift(step * Double(index))) to \(shownDrift(step * Double(index + 1)))"
      marks.append(
        rectangle(
          x: 10 + width * Double(index), y: 10 + height - bar, width: width - 2, height: bar, fill: "#4477aa",
          title: "\(count) images, \(limits)"))
    }
    marks.append(label("0", x: 10, y: height + 26))
    marks.append(
      label(
        shownDrift(step * Double(counts.count)), x: 10 + width * Double(counts.count), y: height + 26, anchor: "end"))
    return svg(width: 20 + width * Double(max(counts.count, 4)), height: height + 34, marks)
  }

  /// A bar for each layer: the signal-to-noise ratio of what arrives, and of what the layer loses itself.
  func noisePlot() -> String {
    let rows = layers.map {
      (layer: $0, total: LayerLoss.decibels($0.cumulativeNoise), own: LayerLoss.decibels($0.ownNoise))
    }
    let most = rows.flatMap { [$0.total, $0.own] }.compactMap { $0 }.max() ?? 1
    let pixelsPerDecibel = Self.plotWidth / max(most, 1)
    var marks: [String] = []
    for (index, row) in rows.enumerated() {
      let y = Self.rowHeight * Double(index)
      marks.append(label(row.layer.name, x: Self.nameWidth - 6, y: y + 10, anchor: "end"))
      let title =
        "\(row.layer.name): arrives \(shownDecibels(row.layer.cumulativeNoise)) dB, own "
        + "\(shownDecibels(row.layer.ownNoise)) dB"
      if let total = row.total {
        marks.append(
          rectangle(
            x: Self.nameWidth, y: y + 1, width: max(total, 0) * pixelsPerDecibel, height: Self.rowHeight - 3,
            fill: Self.colour(total), title: title))
        marks.append(
          label(fixed(total, decimals: 1), x: Self.nameWidth + max(total, 0) * pixelsPerDecibel + 4, y: y + 10))
      }
      if let own = row.own {
        marks.append(
          rectangle(
            x: Self.nameWidth, y: y + 1, width: max(own, 0) * pixelsPerDecibel, height: Self.rowHeight - 3,
            fill: "none", stroke: "#555", title: title))
      }
    }
    return svg(
      width: Self.nameWidth + Self.plotWidth + 60, height: Self.rowHeight * Double(max(rows.count, 1)) + 4, marks)
  }

  /// For each quantised output what its levels reach, and what calibration saw.
  func rangePlot() -> String {
    var marks: [String] = []
    var row = 0
    for layer in layers {
      guard let range = layer.range else { continue }
      let seen = layer.observed ?? range
      let low = Double(min(range.lowerBound, seen.lowerBound))
      let width = Double(max(range.upperBound, seen.upperBound)) - low
      guard width > 0, width.isFinite else { continue }
      let y = Self.rowHeight * Double(row)
      func place(_ value: Float) -> Double { Self.nameWidth + Self.plotWidth * (Double(value) - low) / width }
      let title =
        "\(layer.name): levels reach \(range.lowerBound) to \(range.upperBound), seen \(seen.lowerBound) to "
        + "\(seen.upperBound)"
      marks.append(label(layer.name, x: Self.nameWidth - 6, y: y + 10, anchor: "end"))
      marks.append(
        rectangle(
          x: place(range.lowerBound), y: y + 1, width: place(range.upperBound) - place(range.lowerBound),
          height: Self.rowHeight - 3, fill: "#88ccee", title: title))
      marks.append(
        rectangle(
          x: place(seen.lowerBound), y: y + Self.rowHeight / 2 - 1.5,
          width: place(seen.upperBound) - place(seen.lowerBound), height: 2, fill: "#222", title: title))
      marks.append(label(fixed(width, decimals: 3), x: Self.nameWidth + Self.plotWidth + 4, y: y + 10))
      row += 1
    }
    return svg(width: Self.nameWidth + Self.plotWidth + 90, height: Self.rowHeight * Double(max(row, 1)) + 4, marks)
  }

  private static let nameWidth = 300.0
  private static let plotWidth = 480.0
  private static let rowHeight = 14.0

  /// From red below 10 dB to green above 40.
  private static func colour(_ decibels: Double) -> String {
    decibels < 10 ? "#cc3311" : decibels < 20 ? "#ee7733" : decibels < 30 ? "#ddaa33" : "#228833"
  }
}

private func svg(width: Double, height: Double, _ marks: [String]) -> String {
  let (w, h) = (tenths(width), tenths(height))
  return
    ([
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(w)\" height=\"\(h)\" viewBox=\"0 0 \(w) \(h)\">"
    ] + marks + ["</svg>"]).joined(separator: "\n")
}

private func rectangle(
  x: Double, y: Double, width: Double, height: Double, fill: String, stroke: String = "none", title: String
) -> String {
  "<rect x=\"\(tenths(x))\" y=\"\(tenths(y))\" width=\"\(tenths(width))\" height=\"\(tenths(height))\" "
    + "fill=\"\(fill)\" stroke=\"\(stroke)\"><title>\(escapedForXML(title))</title></rect>"
}

private func label(_ text: String, x: Double, y: Double, anchor: String = "start") -> String {
  "<text x=\"\(tenths(x))\" y=\"\(tenths(y))\" text-anchor=\"\(anchor)\">\(escapedForXML(text))</text>"
}

private func tenths(_ value: Double) -> String { fixed(value, decimals: 1) }
