import Fidelity
import PrintableText

/// Plots as SVG elements. Coordinates are rounded to tenths, so that equal figures give equal bytes.
extension LossAnalysis {
  /// The number of images by drift.
  func driftPlot() -> String {
    let (step, counts) = driftHistogram
    let tallest = Double(counts.max() ?? 1)
    let (width, height, left, top) = (32.0, 150.0, 24.0, 20.0)
    var marks: [String] = []
    for (index, count) in counts.enumerated() where count > 0 {
      // A single image stays visible next to thousands.
      let bar = max(height * Double(count) / tallest, 1.5)
      let x = left + width * Double(index)
      let limits = "\(shownDrift(step * Double(index))) to \(shownDrift(step * Double(index + 1)))"
      marks.append(
        rectangle(
          x: x, y: top + height - bar, width: width - 2, height: bar, fill: "#4477aa",
          title: "\(count) images, \(limits)"))
      marks.append(label("\(count)", x: x + width / 2 - 1, y: top + height - bar - 4, anchor: "middle"))
    }
    for index in stride(from: 0, through: counts.count, by: max(counts.count / 6, 1)) {
      let x = left + width * Double(index) - 1
      marks.append(rectangle(x: x, y: top + height, width: 1, height: 5, fill: "#888", title: ""))
      marks.append(
        label(index == 0 ? "0" : shownDrift(step * Double(index)), x: x, y: top + height + 18, anchor: "middle"))
    }
    let span = width * Double(max(counts.count, 4))
    marks.append(rectangle(x: left - 1, y: top + height, width: span, height: 1, fill: "#888", title: ""))
    return svg(width: left + span + 40, height: top + height + 26, marks)
  }

  /// A bar for each layer: its accumulated signal-to-noise ratio, and the layer's alone.
  func noisePlot() -> String {
    let rows = layers.map {
      (layer: $0, accumulated: LayerLoss.decibels($0.cumulativeNoise), alone: LayerLoss.decibels($0.layerNoise))
    }
    let longest = rows.flatMap { [$0.accumulated, $0.alone] }.compactMap { $0 }.max() ?? 1
    let pixelsPerDecibel = Self.plotWidth / max(longest, 1)
    var marks: [String] = []
    for (index, row) in rows.enumerated() {
      let y = Self.rowHeight * Double(index)
      marks.append(label(Self.shownName(row.layer.name), x: Self.nameWidth - 6, y: y + 10, anchor: "end"))
      let title =
        "\(row.layer.name): accumulated SNR \(shownDecibels(row.layer.cumulativeNoise)) dB, this layer's SNR "
        + "\(shownDecibels(row.layer.layerNoise)) dB"
      if let accumulated = row.accumulated {
        marks.append(
          rectangle(
            x: Self.nameWidth, y: y + 1, width: max(accumulated, 0) * pixelsPerDecibel, height: Self.rowHeight - 3,
            fill: Self.colour(accumulated), title: title))
      }
      if let alone = row.alone {
        marks.append(
          rectangle(
            x: Self.nameWidth, y: y + 1, width: max(alone, 0) * pixelsPerDecibel, height: Self.rowHeight - 3,
            fill: "none", stroke: "#555", title: title))
      }
      // Both figures follow the longer bar: either of them may be the larger one.
      let end = max(row.accumulated ?? 0, row.alone ?? 0, 0)
      let shown = [
        row.accumulated.map { fixed($0, decimals: 1) }, row.alone.map { "(\(fixed($0, decimals: 1)))" },
      ]
      marks.append(
        label(
          shown.compactMap(\.self).joined(separator: " "), x: Self.nameWidth + end * pixelsPerDecibel + 5, y: y + 10))
    }
    return svg(
      width: Self.nameWidth + Self.plotWidth + 90, height: Self.rowHeight * Double(max(rows.count, 1)) + 4, marks)
  }

  /// For each quantised output, the range that its levels cover, and the values that calibration saw.
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
      func x(_ value: Float) -> Double { Self.nameWidth + Self.plotWidth * (Double(value) - low) / width }
      let title =
        "\(layer.name): levels cover \(range.lowerBound) to \(range.upperBound), calibration saw \(seen.lowerBound) to "
        + "\(seen.upperBound)"
      marks.append(label(Self.shownName(layer.name), x: Self.nameWidth - 6, y: y + 10, anchor: "end"))
      marks.append(
        rectangle(
          x: x(range.lowerBound), y: y + 1, width: x(range.upperBound) - x(range.lowerBound),
          height: Self.rowHeight - 3, fill: "#88ccee", title: title))
      marks.append(
        rectangle(
          x: x(seen.lowerBound), y: y + Self.rowHeight / 2 - 1.5,
          width: x(seen.upperBound) - x(seen.lowerBound), height: 2, fill: "#222", title: title))
      marks.append(label(fixed(width, decimals: 3), x: Self.nameWidth + Self.plotWidth + 4, y: y + 10))
      row += 1
    }
    return svg(width: Self.nameWidth + Self.plotWidth + 90, height: Self.rowHeight * Double(max(row, 1)) + 4, marks)
  }

  /// A pair of bars for each of the 40 largest tensors: its bytes before compression, and as stored.
  func sizePlot() -> String {
    let rows = tensorsBySize.prefix(40)
    let longest = Double(rows.map { max($0.bytes, $0.storedBytes) }.max() ?? 1)
    let pixelsPerByte = Self.plotWidth / max(longest, 1)
    var marks: [String] = []
    for (index, tensor) in rows.enumerated() {
      let y = Self.rowHeight * Double(index)
      let title = "\(tensor.name): \(shownBytes(tensor.bytes)), stored in \(shownBytes(tensor.storedBytes))"
      marks.append(label(Self.shownName(tensor.name), x: Self.nameWidth - 6, y: y + 10, anchor: "end"))
      marks.append(
        rectangle(
          x: Self.nameWidth, y: y + 1, width: Double(tensor.storedBytes) * pixelsPerByte, height: Self.rowHeight - 3,
          fill: "#4477aa", title: title))
      marks.append(
        rectangle(
          x: Self.nameWidth, y: y + 1, width: Double(tensor.bytes) * pixelsPerByte, height: Self.rowHeight - 3,
          fill: "none", stroke: "#555", title: title))
      marks.append(
        label(
          shownBytes(tensor.storedBytes),
          x: Self.nameWidth + Double(max(tensor.bytes, tensor.storedBytes)) * pixelsPerByte + 4, y: y + 10))
    }
    return svg(
      width: Self.nameWidth + Self.plotWidth + 80, height: Self.rowHeight * Double(max(rows.count, 1)) + 4, marks)
  }

  /// The distribution of a layer's levels, drawn as one path.
  func levelPlot(_ levels: LevelHistogram) -> String {
    let (barWidth, height) = (5.0, 48.0)
    let tallest = Double(max(levels.counts.max() ?? 1, 1))
    let bars = levels.counts.enumerated().map { index, count in
      let bar = tenths(height * Double(count) / tallest)
      return "M\(tenths(barWidth * Double(index))) \(tenths(height))v-\(bar)h\(tenths(barWidth - 1))v\(bar)z"
    }
    let width = barWidth * Double(levels.counts.count)
    return svg(
      width: width, height: height + 1,
      [
        "<path d=\"\(bars.joined())\" fill=\"#4477aa\"/>",
        "<path d=\"M0 \(tenths(height + 0.5))h\(tenths(width))\" stroke=\"#888\"/>",
      ])
  }

  private static let nameWidth = 300.0
  private static let plotWidth = 480.0
  private static let rowHeight = 14.0

  /// A name shortened to fit `nameWidth`.
  private static func shownName(_ name: String) -> String { shortened(printable(name), to: 48) }

  /// Red below 10 dB, orange below 20, yellow below 30, and green from there.
  private static func colour(_ decibels: Double) -> String {
    decibels < 10 ? "#cc3311" : decibels < 20 ? "#ee7733" : decibels < 30 ? "#ddaa33" : "#228833"
  }
}
