import Fidelity
import PrintableText

/// Plots as SVG elements.
extension LossAnalysis {
  /// The number of images by drift.
  func driftPlot() -> String {
    let (step, counts) = driftHistogram
    guard !counts.isEmpty else { return "" }
    let tallest = Double(counts.max() ?? 1)
    let (height, left, top, right) = (150.0, 8.0, 34.0, 4.0)
    let width = (100 - left - right) / Double(counts.count)
    var marks: [String] = [label("images", x: 0, y: 12, "axis")]
    for (index, count) in counts.enumerated() where count > 0 {
      // A single image stays visible next to thousands.
      let tall = max(height * Double(count) / tallest, 1.5)
      let x = left + width * Double(index)
      let limits = "\(shownDrift(step * Double(index))) to \(shownDrift(step * Double(index + 1)))"
      let images = "\(count) image\(count == 1 ? "" : "s")"
      marks.append(
        bar(x: x, y: top + height - tall, width: width * 0.92, height: tall, "bar", title: "\(images), \(limits)"))
      if counts.count <= 8 || count == counts.max() {
        marks.append(label("\(count)", x: x + width / 2, y: top + height - tall - 4, anchor: "middle"))
      }
    }
    marks.append(line(left, top + height, 100 - right, top + height, "rule"))
    for index in stride(from: 0, through: counts.count, by: max(counts.count / 3, 1)) {
      let x = left + width * Double(index)
      marks.append(line(x, top + height, x, top + height + 5, "rule"))
      let text = index == 0 ? "0" : shownDrift(step * Double(index))
      marks.append(label(text, x: x, y: top + height + 18, anchor: index == counts.count ? "end" : "middle", "axis"))
    }
    marks.append(label("drift (1 - cosine, no unit)", x: 50, y: top + height + 36, anchor: "middle", "axis"))
    return chart(height: top + height + 42, name: "Histogram: number of images by drift", marks)
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
      func x(_ value: Float) -> Double { 100 * (Double(value) - low) / width }
      let title =
        "\(layer.name): levels cover \(range.lowerBound) to \(range.upperBound), calibration saw \(seen.lowerBound) to "
        + "\(seen.upperBound)"
      marks += Self.heading(row, layer.name, fixed(width, decimals: 3))
      let y = Self.rowHeight * Double(row) + 18
      marks.append(
        bar(
          x: x(range.lowerBound), y: y, width: x(range.upperBound) - x(range.lowerBound), height: 9, "bar",
          title: title))
      marks.append(
        bar(
          x: x(seen.lowerBound), y: y + 10, width: x(seen.upperBound) - x(seen.lowerBound), height: 3, "seen",
          title: title))
      row += 1
    }
    guard row > 0 else { return "" }
    return chart(
      height: Self.rowHeight * Double(row), name: "Bars: the ranges of \(row) layers, and what calibration saw", marks)
  }

  /// A pair of bars for each of the 40 largest tensors: its bytes before compression, and as stored.
  func sizePlot() -> String {
    let rows = tensorsBySize.prefix(40)
    let longest = Double(max(rows.map { max($0.bytes, $0.storedBytes) }.max() ?? 1, 1))
    var marks: [String] = []
    for (row, tensor) in rows.enumerated() {
      let title = "\(tensor.name): \(shownBytes(tensor.bytes)), stored in \(shownBytes(tensor.storedBytes))"
      marks += Self.heading(row, tensor.name, "\(shownBytes(tensor.storedBytes)) of \(shownBytes(tensor.bytes))")
      let y = Self.rowHeight * Double(row) + 18
      marks.append(
        bar(x: 0, y: y, width: 100 * Double(tensor.storedBytes) / longest, height: 9, "bar", title: title))
      marks.append(
        bar(x: 0, y: y + 10, width: 100 * Double(tensor.bytes) / longest, height: 3, "seen", title: title))
    }
    return chart(
      height: Self.rowHeight * Double(rows.count), name: "Bars: bytes of the \(rows.count) largest tensors", marks)
  }

  /// The distribution of a layer's levels, drawn as one path.
  func levelPlot(_ levels: LevelHistogram, name: String) -> String {
    let (barWidth, height) = (5.0, 48.0)
    let tallest = Double(max(levels.counts.max() ?? 1, 1))
    let bars = levels.counts.enumerated().map { index, count in
      let bar = tenths(height * Double(count) / tallest)
      return "M\(tenths(barWidth * Double(index))) \(tenths(height))v-\(bar)h\(tenths(barWidth - 1))v\(bar)z"
    }
    let width = tenths(barWidth * Double(levels.counts.count))
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(tenths(height + 1))\" role=\"img\" "
      + "aria-label=\"Histogram: how often the weights of \(escapedForXML(name)) take each level\">"
      + "<path class=\"bar\" d=\"\(bars.joined())\"/><path class=\"rule\" d=\"M0 \(tenths(height + 0.5))h\(width)\"/></svg>"
  }

  private static let rowHeight = 38.0

  /// The name above the bars of a row, and a figure at the right.
  private static func heading(_ row: Int, _ name: String, _ figure: String) -> [String] {
    let y = rowHeight * Double(row) + 13
    return [
      label(shortened(printable(name), to: 36), x: 0, y: y), label(figure, x: 100, y: y, anchor: "end", "axis"),
    ]
  }

  /// The class that colours a signal-to-noise ratio in dB: red below 10, orange below 20, yellow below 30, and green
  /// from there, as without noise.
  static func mark(_ noise: Double?) -> String {
    guard let noise else { return "none" }
    guard let decibels = LayerLoss.decibels(noise) else { return noise == 0 ? "good" : "bad" }
    return decibels < 10 ? "bad" : decibels < 20 ? "warn" : decibels < 30 ? "mid" : "good"
  }

  /// What the colours of `mark` mean.
  static var noiseColours: String {
    legend([
      ("good", "30 dB or more, or exact"), ("mid", "20 to 30 dB"), ("warn", "10 to 20 dB"), ("bad", "below 10 dB"),
      ("none", "not measured"),
    ])
  }
}
