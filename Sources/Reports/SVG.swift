import Fidelity

/// SVG elements. Coordinates are rounded to tenths, so that equal figures give equal bytes.

/// A drawing of some marks.
func svg(width: Double, height: Double, _ marks: [String]) -> String {
  let (w, h) = (tenths(width), tenths(height))
  return
    ([
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(w)\" height=\"\(h)\" viewBox=\"0 0 \(w) \(h)\">"
    ] + marks + ["</svg>"]).joined(separator: "\n")
}

/// A rectangle; a title is shown where the pointer rests on it.
func rectangle(
  x: Double, y: Double, width: Double, height: Double, fill: String, stroke: String = "none", title: String
) -> String {
  "<rect x=\"\(tenths(x))\" y=\"\(tenths(y))\" width=\"\(tenths(width))\" height=\"\(tenths(height))\" "
    + "fill=\"\(fill)\" stroke=\"\(stroke)\""
    + (title.isEmpty ? "/>" : "><title>\(escapedForXML(title))</title></rect>")
}

/// A text that starts, ends or is centred at `x`.
func label(_ text: String, x: Double, y: Double, anchor: String = "start") -> String {
  "<text x=\"\(tenths(x))\" y=\"\(tenths(y))\" text-anchor=\"\(anchor)\">\(escapedForXML(text))</text>"
}

/// A coordinate as text.
func tenths(_ value: Double) -> String { fixed(value, decimals: 1) }
