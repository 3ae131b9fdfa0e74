import Fidelity

/// What a package costs next to the float network.
extension FidelityReport {
  private static let costHeader = ["", "size", "% of float", "ms per image", "mean drift"]

  /// The float network and the package; empty without an estimate of both.
  private var costRows: [[String]] {
    guard let inference, let floatBytes = inference.floatBytes, let floatMilliseconds = inference.floatMilliseconds
    else { return [] }
    let share = package.map { fixed(100 * Double($0.bytes) / Double(max(floatBytes, 1)), decimals: 1) }
    return [
      ["float", shownBytes(floatBytes), "100", fixed(floatMilliseconds, decimals: 1), missingValue],
      [
        package == nil ? "int8" : "package", package.map { shownBytes($0.bytes) } ?? missingValue,
        share ?? missingValue, fixed(inference.milliseconds, decimals: 1), shownDrift(figures.drift.mean),
      ],
    ]
  }

  private static let costRemark =
    "Sizes are those of the folded weights as float32 and of the file; milliseconds are estimated, on one core."

  /// For a terminal.
  var costLines: [String] {
    let rows = costRows
    return rows.isEmpty ? [] : textTable(Self.costHeader, rows, textColumns: 1) + ["  " + Self.costRemark, ""]
  }

  /// For a Markdown report.
  var costBlocks: [String] {
    let rows = costRows
    return rows.isEmpty ? [] : [markdownTable(Self.costHeader, rows), Self.costRemark]
  }

  /// For a page.
  var costSection: [String] {
    let rows = costRows
    guard !rows.isEmpty else { return [] }
    return ["<h2>Cost next to float</h2>"] + htmlTable("Cost next to float", Self.costHeader, rows)
      + ["<p>\(Self.costRemark)</p>"]
  }
}
