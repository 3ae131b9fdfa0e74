import Fidelity

/// SVG elements. Positions across are percentages of the width, so that charts fit any screen without scaling their
/// texts; those down are pixels. Numbers are rounded to tenths or hundredths, so that equal figures give equal bytes.
/// Colours come from classes of the page's style.

/// A chart that is as wide as the page allows.
///
/// - Parameters:
///   - height: in pixels.
///   - name: what the chart shows, for readers who do not see it.
func chart(height: Double, name: String, _ marks: [String]) -> String {
  ([
    "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"100%\" height=\"\(tenths(height))\" role=\"img\" "
      + "aria-label=\"\(escapedForXML(name))\">"
  ] + marks + ["</svg>"]).joined(separator: "\n")
}

/// A rectangle; a title is shown where the pointer rests on it.
///
/// - Parameters:
///   - x: in percent of the chart's width, as `width` is.
///   - mark: the class that colours it.
func bar(x: Double, y: Double, width: Double, height: Double, _ mark: String, title: String = "") -> String {
  "<rect class=\"\(mark)\" x=\"\(percent(x))\" y=\"\(tenths(y))\" width=\"\(percent(width))\" "
    + "height=\"\(tenths(height))\""
    + (title.isEmpty ? "/>" : "><title>\(escapedForXML(title))</title></rect>")
}

/// A line between two points.
func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ mark: String, title: String = "") -> String {
  "<line class=\"\(mark)\" x1=\"\(percent(x1))\" y1=\"\(tenths(y1))\" x2=\"\(percent(x2))\" y2=\"\(tenths(y2))\""
    + (title.isEmpty ? "/>" : "><title>\(escapedForXML(title))</title></line>")
}

/// A dot.
func dot(x: Double, y: Double, radius: Double, _ mark: String, title: String) -> String {
  "<circle class=\"\(mark)\" cx=\"\(percent(x))\" cy=\"\(tenths(y))\" r=\"\(tenths(radius))\">"
    + "<title>\(escapedForXML(title))</title></circle>"
}

/// A text that starts, ends or is centred at `x`.
///
/// - Parameter mark: "axis" for titles and ticks of axes.
func label(_ text: String, x: Double, y: Double, anchor: String = "start", _ mark: String = "") -> String {
  "<text\(mark.isEmpty ? "" : " class=\"\(mark)\"") x=\"\(percent(x))\" y=\"\(tenths(y))\" "
    + "text-anchor=\"\(anchor)\">\(escapedForXML(text))</text>"
}

/// Round numbers from 0 to at most `end`, three to six of them.
func ticks(to end: Double) -> [Double] {
  guard end > 0, end.isFinite else { return [0] }
  var step = 1.0
  while step * 5 < end { step *= 10 }
  while step * 5 > end, step > end * 1e-6 { step /= 10 }
  for factor in [1.0, 2, 5, 10] where end / (step * factor) <= 5 {
    step *= factor
    break
  }
  return (0...max(0, Int(end / step))).map { Double($0) * step }
}

/// A coordinate in pixels as text.
func tenths(_ value: Double) -> String { fixed(value, decimals: 1) }

/// A position in percent as text.
func percent(_ value: Double) -> String { fixed(value, decimals: 2) + "%" }
