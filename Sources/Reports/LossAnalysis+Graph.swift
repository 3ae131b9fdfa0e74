import Fidelity
import PrintableText

/// The layers as a graph from input to output, one below the other, as one walks it. An edge that skips layers runs in
/// a lane of its own on the left, as in a drawing of a version history, so that networks of hundreds of layers stay
/// readable on a narrow screen.
extension LossAnalysis {
  /// An edge from one layer to a later one that is not the next.
  private struct Skip {
    let from: Int, to: Int
    var lane = 0
  }

  /// The identifier of a layer's row in the table of layers.
  static func identifier(_ index: Int) -> String { "layer-\(index)" }

  /// The section with the graph; empty without layers.
  var graphSection: [String] {
    guard !layers.isEmpty else { return [] }
    return [
      "<h2>The layers from input to output</h2>",
      "<p>Colour: accumulated signal-to-noise ratio (SNR) of the layer's output, in dB, int8 against float. Width of the "
        + "bar: bytes of its weights and other constants, before compression. Lines on the left lead past other layers."
        + "</p>",
      "<p>Choose a layer to see its figures. Keys: up and down go to the layers before and after, left and right along a "
        + "connection to the furthest layer that this one reads, or that reads it.</p>",
      Self.noiseColours, "<div class=\"walk\">",
      "<div class=\"list\" role=\"region\" aria-label=\"Graph of the layers\" tabindex=\"-1\">", graph, "</div>",
      "<div class=\"panel\" aria-live=\"polite\"><p>The figures of every layer are in the table below.</p></div>",
      "</div>",
    ]
  }

  private var graph: String {
    let indices = Dictionary(layers.indices.map { (layers[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
    let sources = layers.indices.map { index in
      Set(layers[index].inputs.compactMap { indices[$0] }.filter { $0 < index }).sorted()
    }
    var readers = [[Int]](repeating: [], count: layers.count)
    for (index, inputs) in sources.enumerated() { for source in inputs { readers[source].append(index) } }
    let (skips, lanes) = Self.lanes(of: sources)
    let pitch = min(8, 64 / Double(max(lanes, 1)))
    let spine = 14 + pitch * Double(lanes)
    let (width, rowHeight) = (350.0, 36.0)
    func middle(_ index: Int) -> Double { rowHeight * Double(index) + 18 }
    var marks: [String] = []
    for (index, inputs) in sources.enumerated() where inputs.contains(index - 1) {
      marks.append(edge("M\(tenths(spine)) \(tenths(middle(index - 1)))V\(tenths(middle(index)))"))
    }
    for skip in skips {
      let x = spine - 8 - pitch * Double(skip.lane)
      let (top, bottom) = (middle(skip.from), middle(skip.to))
      marks.append(
        edge(
          "M\(tenths(spine)) \(tenths(top))C\(tenths(x)) \(tenths(top)) \(tenths(x)) \(tenths(top + 4)) \(tenths(x)) "
            + "\(tenths(top + 14))V\(tenths(bottom - 14))C\(tenths(x)) \(tenths(bottom - 4)) \(tenths(x)) "
            + "\(tenths(bottom)) \(tenths(spine)) \(tenths(bottom))"))
    }
    let largest = Double(max(layers.map(\.bytes).max() ?? 1, 1))
    let left = spine + 14
    for (index, layer) in layers.enumerated() {
      let (y, mark) = (rowHeight * Double(index), Self.mark(layer.cumulativeNoise))
      let decibels = shownDecibels(layer.cumulativeNoise)
      let ratio = LayerLoss.decibels(layer.cumulativeNoise) == nil ? decibels : "\(decibels) dB"
      let length = layer.bytes == 0 ? 0 : max(3, (width - left - 8) * Double(layer.bytes) / largest)
      let name =
        "\(layer.name), \(layer.kind), \(layer.arithmetic), accumulated SNR \(ratio), \(shownBytes(layer.bytes))"
      let neighbours =
        attribute("data-from", sources[index].reversed()) + attribute("data-to", readers[index])
      marks += [
        "<a href=\"#\(Self.identifier(index))\" aria-label=\"\(escapedForXML(name))\"\(neighbours)>",
        "<title>\(escapedForXML(name))</title>",
        "<rect class=\"hit\" x=\"\(tenths(left - 6))\" y=\"\(tenths(y + 1))\" width=\"\(tenths(width - left + 4))\" "
          + "height=\"\(tenths(rowHeight - 2))\" rx=\"4\"/>",
        "<circle class=\"\(mark)\" cx=\"\(tenths(spine))\" cy=\"\(tenths(middle(index)))\" r=\"5\"/>",
        "<text x=\"\(tenths(left))\" y=\"\(tenths(y + 15))\">"
          + "\(escapedForXML(shortened(printable(layer.name), to: 28)))</text>",
        "<text class=\"axis\" x=\"\(tenths(width - 6))\" y=\"\(tenths(y + 15))\" text-anchor=\"end\">\(ratio)</text>",
      ]
      if length > 0 {
        marks.append(
          "<rect class=\"\(mark)\" x=\"\(tenths(left))\" y=\"\(tenths(y + 22))\" width=\"\(tenths(length))\" "
            + "height=\"8\"/>")
      }
      marks.append("</a>")
    }
    let height = tenths(rowHeight * Double(layers.count))
    return
      ([
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(tenths(width))\" height=\"\(height)\" role=\"group\" "
          + "aria-label=\"The layers from input to output\">"
      ] + marks + ["</svg>"]).joined(separator: "\n")
  }

  private func edge(_ path: String) -> String { "<path class=\"edge\" d=\"\(path)\"/>" }

  private func attribute(_ name: String, _ indices: [Int]) -> String {
    indices.isEmpty ? "" : " \(name)=\"\(indices.map(String.init).joined(separator: " "))\""
  }

  /// The edges that skip layers, each in the first lane that is free over its whole length, the shortest first, so that
  /// short edges stay close to the layers.
  private static func lanes(of sources: [[Int]]) -> (skips: [Skip], count: Int) {
    var skips = sources.enumerated().flatMap { to, inputs in
      inputs.filter { $0 < to - 1 }.map { Skip(from: $0, to: to) }
    }
    skips.sort { ($0.to - $0.from, $0.from) < ($1.to - $1.from, $1.from) }
    var taken: [[Range<Int>]] = []
    for index in skips.indices {
      let span = skips[index].from..<skips[index].to
      let lane = taken.firstIndex { !$0.contains { $0.overlaps(span) } } ?? taken.count
      if lane == taken.count { taken.append([]) }
      taken[lane].append(span)
      skips[index].lane = lane
    }
    return (skips, taken.count)
  }
}
