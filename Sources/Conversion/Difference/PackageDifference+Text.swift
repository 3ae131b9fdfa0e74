import PackageDelta
import PrintableText

extension PackageDifference {
  /// The difference as text for a terminal.
  package var text: String {
    var table = TextTable()
    table.row("old", "\(old.path), \(old.bytes) bytes, content \(old.contentHash)")
    table.row("new", "\(new.path), \(new.bytes) bytes, content \(new.contentHash)")
    if isSame {
      table.row(
        "difference",
        old.sha256 == new.sha256 ? "none: the files are equal" : "compression only: all contents are equal")
      return table.text
    }
    if old.contentHash == new.contentHash { table.row("computes", "the same: labels or metadata differ") }
    for change in properties + graph.properties { table.row(change.property, change.values) }
    if !labels.isEmpty { table.row("labels", "\(labels.count) differ") }
    table.row("nodes", nodes)
    if comparedConstants > 0 {
      table.row("constants", "\(constants.count) of \(comparedConstants) differ")
      if levels > 0 {
        table.row("levels", "\(differingLevels) of \(levels) differ (\(Self.percent(differingLevels, of: levels)))")
      }
    }
    for section in sections where section.differs || section.oldBytes != section.newBytes {
      table.row("\(section.section) bytes", "\(section.oldBytes) -> \(section.newBytes)")
    }
    for sizes in fidelity {
      table.row("fidelity at \(sizes.size)", "\(Self.figures(sizes.old)) -> \(Self.figures(sizes.new))")
    }
    if old.verdict != nil || new.verdict != nil {
      table.row("verdict", "\(old.verdict ?? "none") -> \(new.verdict ?? "none")")
      table.row("signature", "none: \(PackageInspection.unsigned)")
    }
    return ([table.text] + [labelLines, nodeLines, constantLines].filter { !$0.isEmpty }).joined(separator: "\n\n")
  }

  private var nodes: String {
    let counts = [
      (graph.added.count, "added"), (graph.removed.count, "removed"), (graph.changed.count, "changed"),
    ].filter { $0.0 > 0 }.map { "\($0) \($1)" }
    let parts = counts + (graph.isReordered ? ["run in another order"] : [])
    return parts.isEmpty ? "the same" : parts.joined(separator: ", ")
  }

  private static let shownLabels = 20

  private var labelLines: String {
    var lines = labels.prefix(Self.shownLabels).map { label in
      printable("~ class \(label.index): \(label.old ?? "none") -> \(label.new ?? "none")")
    }
    if labels.count > Self.shownLabels { lines.append("  … \(labels.count - Self.shownLabels) more with --json") }
    return lines.joined(separator: "\n")
  }

  private var nodeLines: String {
    let removed = graph.removed.map { "- \($0.name)  \($0.op)" }
    let added = graph.added.map { "+ \($0.name)  \($0.op)" }
    let changed = graph.changed.map { node in
      "~ \(node.name)  " + node.changes.map { "\($0.property) \($0.values)" }.joined(separator: "; ")
    }
    return (removed + added + changed).map(printable).joined(separator: "\n")
  }

  private var constantLines: String {
    var table = TextTable()
    for constant in constants {
      let share = Self.percent(constant.differing, of: constant.elements)
      let unit = constant.elementType != "int8" ? "" : constant.maxChange == 1 ? " level" : " levels"
      table.row(
        "\(constant.node) \(constant.role)",
        "\(constant.elementType)  \(constant.differing) of \(constant.elements) differ (\(share))"
          + (constant.maxChange.map { ", by at most \(Self.short($0))\(unit)" } ?? ""))
    }
    return table.text
  }

  private static func figures(_ size: PackageInspection.Size?) -> String {
    guard let size else { return "not converted for it" }
    guard let passed = size.passed else { return PackageInspection.unverified }
    let drift = size.meanDrift.map { "mean drift \(short($0))" }
    let agreement = size.top1Agreement.map { "top-1 agreement \(short($0)) %" }
    return (["\(passed ? "passed" : "FAILED") on \(size.images ?? 0) images"] + [drift, agreement].compactMap(\.self))
      .joined(separator: ", ")
  }

  /// A share in percent with two decimals, never rounded to 0 or 100 unless it is.
  private static func percent(_ part: Int, of whole: Int) -> String {
    guard whole > 0, part > 0 else { return "0 %" }
    guard part < whole else { return "100 %" }
    let hundredths = min(max(Int((Double(part) / Double(whole) * 10_000).rounded()), 1), 9_999)
    let cents = hundredths % 100
    return "\(hundredths / 100).\(cents < 10 ? "0" : "")\(cents) %"
  }

  /// A number with four significant digits.
  private static func short(_ value: Double) -> String {
    guard value.isFinite, value != 0, value != value.rounded() || abs(value) < 1 else {
      return value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
    }
    var (factor, magnitude) = (1.0, abs(value))
    while magnitude < 1000 { (factor, magnitude) = (factor * 10, magnitude * 10) }
    return "\((value * factor).rounded() / factor)"
  }
}

extension PropertyChange {
  /// Such as "1 -> 2".
  fileprivate var values: String { "\(old ?? "none") -> \(new ?? "none")" }
}
