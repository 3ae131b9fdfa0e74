import Fidelity
import Glibc
import PrintableText
import Retrieval

extension TuningReport {
  /// The report as one HTML page that loads nothing, with a drawing of the curve. The page is also well-formed XML.
  package func html() -> String {
    var page = Page(
      title: "GeM exponent for \(printable(checkpoint))",
      answer: exponent == networkExponent
        ? "Keep the network's own exponent, p = \(shortest(exponent))."
        : "Use p = \(shortest(exponent)) instead of the network's own \(shortest(networkExponent)).")
    page.advice = ["Use `--size \(option)`."]
    page.warnings = warnings
    page.body =
      ["<p>\(escapedForXML(summary))</p>"] + choices.map { "<p>\(escapedForXML("\($0.title): \($0.sentence)"))</p>" }
    page.body.append(
      legend([("good", "the best exponent"), ("other", "the network's own"), ("bar", "others; lines: 95 % intervals")]))
    page.body += [
      "<h2>mAP of copies</h2>", plot(points.map { ($0.exponent, $0.map) }, best: byCopies.exponent, "mAP, %"),
    ]
    if let byClasses {
      for (title, unit, decimals, estimate) in [
        ("Cross-entropy", "cross-entropy, nats", 3, \Point.crossEntropy),
        ("Top-1 accuracy", "top-1, %", 1, \Point.top1),
      ] {
        let curve = points.compactMap { point in point[keyPath: estimate].map { (point.exponent, $0) } }
        page.body += ["<h2>\(title)</h2>", plot(curve, best: byClasses.exponent, unit, decimals: decimals)]
      }
    }
    page.body += ["<h2>Figures</h2>"] + htmlTable("Figures by exponent", header.dropLast() + ["remark"], curve)
    page.remarks = assumptions.map { "Assuming: \($0)" } + notes
    page.toolVersion = toolVersion
    return page.html()
  }

  /// A curve over exponents, whose axis is logarithmic, with intervals.
  private func plot(_ curve: [(exponent: Double, estimate: Estimate)], best: Double, _ axis: String, decimals: Int = 1)
    -> String
  {
    // Maximum pooling has no place on the axis.
    let curve = curve.filter { $0.exponent.isFinite }
    let ends = curve.flatMap { [$0.estimate.value, $0.estimate.interval?.low, $0.estimate.interval?.high] }
      .compactMap(\.self)
    guard let low = ends.min(), let high = ends.max(), let first = curve.first?.exponent,
      let last = curve.last?.exponent
    else { return "" }
    let (left, right, top, height) = (12.0, 3.0, 24.0, 200.0)
    func x(_ exponent: Double) -> Double {
      let width = 100 - left - right
      return last > first ? left + width * log(exponent / first) / log(last / first) : left + width / 2
    }
    func y(_ value: Double) -> Double { high > low ? top + height * (high - value) / (high - low) : top + height / 2 }
    var marks = [
      label(axis, x: 0, y: 12, "axis"), line(left - 2, top, left - 2, top + height, "rule"),
      line(left - 2, top + height + 8, 100, top + height + 8, "rule"),
      label("exponent p, logarithmic", x: 50, y: top + height + 42, anchor: "middle", "axis"),
    ]
    for value in high > low ? [low, (low + high) / 2, high] : [low] {
      marks.append(label(fixed(value, decimals: decimals), x: left - 3, y: y(value) + 4, anchor: "end", "axis"))
    }
    for (a, b) in zip(curve, curve.dropFirst()) {
      marks.append(line(x(a.exponent), y(a.estimate.value), x(b.exponent), y(b.estimate.value), "line"))
    }
    for (exponent, estimate) in curve {
      let shown = "p = \(shortest(exponent)): \(Estimate?.some(estimate).shown(decimals: decimals, unit: ""))"
      if let interval = estimate.interval {
        marks.append(line(x(exponent), y(interval.high), x(exponent), y(interval.low), "line", title: shown))
      }
      let mark = exponent == best ? "good" : exponent == networkExponent ? "other" : "bar"
      marks.append(dot(x: x(exponent), y: y(estimate.value), radius: 5, mark, title: shown))
      // The exponents that matter have a label, and the others where these leave space.
      let marked = [best, networkExponent].filter(\.isFinite)
      if marked.contains(exponent) || marked.allSatisfy({ abs(x($0) - x(exponent)) > 7 }) {
        marks.append(label(shortest(exponent), x: x(exponent), y: top + height + 22, anchor: "middle", "axis"))
      }
    }
    return chart(height: top + height + 48, name: "Curve: \(axis) by exponent", marks)
  }
}
