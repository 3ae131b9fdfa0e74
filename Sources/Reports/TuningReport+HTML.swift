import Fidelity
import Glibc
import PrintableText
import Retrieval

extension TuningReport {
  /// The report as one HTML page without scripts or external resources. The page is also well-formed XML.
  package func html() -> String {
    let title = "GeM exponent for \(escapedForXML(printable(checkpoint)))"
    var lines = [
      "<!DOCTYPE html>", "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">", "<head>",
      "<meta charset=\"utf-8\"/>", "<title>\(title)</title>", "<style>\(LossAnalysis.style)</style>", "</head>",
      "<body>", "<h1>\(title)</h1>", "<p>\(escapedForXML(summary))</p>",
    ]
    lines += warnings.map { "<p class=\"warning\">\(escapedForXML($0))</p>" }
    lines += [
      "<h2>mAP of copies, in percent</h2>", plot(points.map { ($0.exponent, $0.map) }, best: byCopies.exponent),
    ]
    if let byClasses {
      for (title, decimals, estimate) in [
        ("Cross-entropy", 3, \Point.crossEntropy), ("Top-1 accuracy, in percent", 1, \Point.top1),
      ] {
        let curve = points.compactMap { point in point[keyPath: estimate].map { (point.exponent, $0) } }
        lines += ["<h2>\(title)</h2>", plot(curve, best: byClasses.exponent, decimals: decimals)]
      }
    }
    lines += ["<p>Bars: 95 % confidence intervals. Green: the best exponent. Grey: the network's own.</p>"]
    lines += ["<h2>Figures</h2>"] + htmlTable(header, curve)
    lines += choices.map { "<p>\(escapedForXML("\($0.title): \($0.sentence)"))</p>" }
    lines += (assumptions.map { "assuming: \($0)" } + notes).map { "<p>\(escapedForXML(printable($0)))</p>" }
    lines.append("<p>Use <code>--size \(option)</code></p>")
    if let toolVersion { lines.append("<p>quern \(escapedForXML(toolVersion))</p>") }
    return (lines + ["</body>", "</html>"]).map { "\($0)\n" }.joined()
  }

  /// A curve over exponents, whose axis is logarithmic, with intervals.
  private func plot(_ curve: [(exponent: Double, estimate: Estimate)], best: Double, decimals: Int = 1) -> String {
    // Maximum pooling has no place on the axis.
    let curve = curve.filter { $0.exponent.isFinite }
    let ends = curve.flatMap { [$0.estimate.value, $0.estimate.interval?.low, $0.estimate.interval?.high] }
      .compactMap(\.self)
    guard let low = ends.min(), let high = ends.max(), let first = curve.first?.exponent,
      let last = curve.last?.exponent
    else { return "" }
    let (left, top, width, height) = (60.0, 14.0, 560.0, 200.0)
    func x(_ exponent: Double) -> Double {
      last > first ? left + width * log(exponent / first) / log(last / first) : left + width / 2
    }
    func y(_ value: Double) -> Double { high > low ? top + height * (high - value) / (high - low) : top + height / 2 }
    var marks = [
      rectangle(x: left - 12, y: top, width: 1, height: height, fill: "#888", title: ""),
      rectangle(x: left - 12, y: top + height + 8, width: width + 24, height: 1, fill: "#888", title: ""),
    ]
    for value in [low, (low + high) / 2, high] {
      marks.append(label(fixed(value, decimals: decimals), x: left - 16, y: y(value) + 4, anchor: "end"))
    }
    let path = curve.enumerated().map { index, point in
      "\(index == 0 ? "M" : "L")\(tenths(x(point.exponent))) \(tenths(y(point.estimate.value)))"
    }
    marks.append("<path d=\"\(path.joined())\" fill=\"none\" stroke=\"#4477aa\"/>")
    for (exponent, estimate) in curve {
      let shown = "p = \(shortest(exponent)): \(Estimate?.some(estimate).shown(decimals: decimals, unit: ""))"
      if let interval = estimate.interval {
        marks.append(
          rectangle(
            x: x(exponent) - 0.5, y: y(interval.high), width: 1, height: y(interval.low) - y(interval.high),
            fill: "#4477aa", title: shown))
      }
      let fill = exponent == best ? "#228833" : exponent == networkExponent ? "#888" : "#4477aa"
      marks.append(
        rectangle(x: x(exponent) - 4, y: y(estimate.value) - 4, width: 8, height: 8, fill: fill, title: shown))
      // The exponents that matter have a label, and the others where these leave space.
      let marked = [best, networkExponent].filter(\.isFinite)
      if marked.contains(exponent) || marked.allSatisfy({ abs(x($0) - x(exponent)) > 22 }) {
        marks.append(label(shortest(exponent), x: x(exponent), y: top + height + 22, anchor: "middle"))
      }
    }
    return svg(width: left + width + 30, height: top + height + 30, marks)
  }
}
