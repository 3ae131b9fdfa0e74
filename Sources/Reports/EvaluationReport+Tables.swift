import Fidelity
import PrintableText
import Retrieval

/// What the renderings of evaluations for people share.
extension EvaluationReport {
  /// Such as "holidays: 1491 images, 500 queries, 2 of them without positives".
  var summary: String {
    var parts = ["\(images) images"]
    if distractors > 0 { parts.append("\(distractors) distractors") }
    if queries > 0 { parts.append("\(queries) queries") }
    if queriesWithoutPositives > 0 { parts.append("\(queriesWithoutPositives) of them without positives") }
    if !skippedImages.isEmpty { parts.append("\(skippedImages.count) images skipped") }
    return "\(set): \(parts.joined(separator: ", "))"
  }

  /// The rows of figures: a title, and a text for each model. Figures that no model has are left out.
  var figureRows: [(title: String, values: [String])] {
    var rows: [(String, [String])] = []
    func add(_ title: String, _ estimate: (EvaluatedModel) -> Estimate?, unit: String = " %", decimals: Int = 2) {
      let estimates = models.map(estimate)
      guard estimates.contains(where: { $0 != nil }) else { return }
      rows.append((title, estimates.map { $0.shown(decimals: decimals, unit: unit) }))
    }
    let protocols = RetrievalProtocol.allCases.filter { item in
      models.contains { $0.figures.contains { $0.protocol == item } }
    }
    for item in protocols {
      func figures(_ model: EvaluatedModel) -> RetrievalFigures? { model.figures.first { $0.protocol == item } }
      let name = item == .all ? "" : "\(item.rawValue): "
      add("\(name)mAP (trapezoids)") { figures($0)?.map }
      add("\(name)mAP (standard)") { figures($0)?.standardMap }
      for (index, depth) in RetrievalFigures.depths.enumerated() {
        add("\(name)recall@\(depth)") { figures($0)?.recall[index] }
      }
      for (index, depth) in RetrievalFigures.depths.enumerated() where depth > 1 {
        add("\(name)mP@\(depth)") { figures($0)?.precision[index] }
      }
      if set == "ukbench" { add("4 x recall@4", { figures($0)?.fourRecall }, unit: "", decimals: 3) }
    }
    add("top-1") { $0.accuracy?.top1 }
    add("top-5") { $0.accuracy?.top5 }
    guard models.count > 1 else { return rows }
    add("mAP drop", { $0.comparison?.mapDrop }, unit: " pp")
    add("top-1 drop", { $0.comparison?.top1Drop }, unit: " pp")
    if models.contains(where: { $0.comparison?.mapDrop != nil }) {
      rows.append(("queries: worse / better / same", models.map { $0.comparison?.counts ?? missingValue }))
    }
    return rows
  }

  /// A title for each model: its path, precision and input.
  var modelTitles: [String] {
    models.map { model in
      printable(model.path) + " (" + ([model.precision] + [model.input].compactMap(\.self)).joined(separator: ", ")
        + ")"
    }
  }
}

extension ModelComparison {
  /// Such as "12 / 7 / 481".
  var counts: String { "\(worse) / \(better) / \(unchanged)" }
}

extension ModelComparison.Change {
  /// Such as "-12.50", with a sign.
  var shownDifference: String { (drop > 0 ? "-" : "+") + fixed(abs(drop), decimals: 2) }
}

extension Estimate? {
  /// Such as "91.80 % (90.10 to 93.20)".
  func shown(decimals: Int, unit: String) -> String {
    guard let self else { return missingValue }
    let interval = self.interval.map {
      " (\(fixed($0.low, decimals: decimals)) to \(fixed($0.high, decimals: decimals)))"
    }
    return fixed(self.value, decimals: decimals) + unit + (interval ?? "")
  }
}

extension EvaluationGate {
  /// The drop with its interval, such as "0.35 pp (0.10 to 0.61)".
  var shownValue: String { value.shown(decimals: 2, unit: " pp") }

  /// Such as "<= 0.5 pp".
  var shownLimit: String { "<= \(shortest(limit)) pp" }

  /// Such as "inconclusive: compared with itself"; empty where the verdict is another.
  var doubt: String {
    guard verdict == .inconclusive else { return "" }
    let reasons = (intervalContainsLimit ? ["the interval contains the limit"] : []) + doubts
    return "inconclusive: " + reasons.joined(separator: ", ")
  }

  /// Whether the gate passed, and why that may say little.
  func result(failed: String) -> String { (passed ? "pass" : failed) + (doubt.isEmpty ? "" : ", \(doubt)") }

  /// Why the gate failed.
  var failure: String {
    value == nil
      ? "\(name.title) of \(printable(model)) was not measured"
      : "\(name.title) of \(printable(model)) is \(shownValue), must be \(shownLimit)"
  }
}
