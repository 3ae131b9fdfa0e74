import Fidelity

extension NeighborFigures {
  /// The figures as lines of a report. Of the three searches, "float" is that of float queries in the float gallery,
  /// "mixed" that of int8 queries in the float gallery, and "int8" that of int8 queries in the int8 gallery.
  var rows: [(title: String, value: String)] {
    var rows = [
      ("neighbours", "int8 \(int8InInt8.shown)  mixed \(int8InFloat.shown)  of \(images) images"),
      (
        "neighbours",
        "decisive: int8 \(int8InInt8.shownDecisive)  mixed \(int8InFloat.shownDecisive)  of \(images - nearTies) images; "
          + "\(nearTies) near \(nearTies == 1 ? "tie" : "ties")"
      ),
    ]
    if let classes {
      let searches = [
        ("float", classes.floatInFloat), ("mixed", classes.int8InFloat), ("int8", classes.int8InInt8),
      ]
      func row(_ title: String, _ value: (ClassRetrieval.Figures) -> String) -> (String, String) {
        let values = searches.map { "\($0) \(value($1))" }.joined(separator: "  ")
        return (title, values + "  of \(classes.queries) queries")
      }
      rows += [
        row("recall@1") { shown($0.recallAt1, $0.recallAt1Interval) }, row("mAP") { shown($0.map, $0.mapInterval) },
      ]
    }
    return rows + (decisions?.rows ?? [])
  }

  /// The figures as properties of a JUnit report.
  var properties: [(name: String, value: String)] {
    var properties: [(String, String)] = []
    for (name, agreement) in [("int8", int8InInt8), ("mixed", int8InFloat)] {
      properties.append(("neighbour_agreement.\(name)", "\(agreement.top1)"))
      if let decisive = agreement.decisive {
        properties.append(("decisive_neighbour_agreement.\(name)", "\(decisive)"))
      }
    }
    if let classes {
      for (name, figures) in [
        ("float", classes.floatInFloat), ("mixed", classes.int8InFloat), ("int8", classes.int8InInt8),
      ] {
        properties += [("class_recall_at_1.\(name)", "\(figures.recallAt1)"), ("class_map.\(name)", "\(figures.map)")]
      }
    }
    if let decisions {
      properties.append(("threshold", "\(decisions.threshold)"))
      for (name, changes) in [("int8", decisions.int8InInt8), ("mixed", decisions.int8InFloat)] {
        properties += [
          ("matches_lost.\(name)", "\(changes.lost)"), ("matches_gained.\(name)", "\(changes.gained)"),
          ("decisions_flipped.\(name)", "\(changes.flipped)"),
        ]
      }
    }
    return properties
  }
}

extension NeighborAgreement {
  fileprivate var shown: String { Reports.shown(top1, top1Interval) }
  fileprivate var shownDecisive: String { Reports.shown(decisive, decisiveInterval) }
}

extension DecisionFigures {
  fileprivate var rows: [(title: String, value: String)] {
    var matches = "at a cosine of \(shownCosine): \(shownRate(floatMatches)) of pairs match in float"
    if let rate = givenFalseMatchRate {
      matches += "; chosen for at most \(shortest(rate)) of the pairs of different classes"
    }
    var rows = [
      ("decisions", matches), ("decisions", "int8: \(int8InInt8.shown)"), ("decisions", "mixed: \(int8InFloat.shown)"),
    ]
    if let floatFalseMatchRate {
      let rates = [
        ("float", floatFalseMatchRate), ("mixed", int8InFloat.falseMatchRate), ("int8", int8InInt8.falseMatchRate),
      ]
      rows.append(("decisions", "false match rate: " + rates.map { "\($0) \(shownRate($1))" }.joined(separator: "  ")))
    }
    return rows
  }

  /// Rounded where it was computed.
  private var shownCosine: String { givenFalseMatchRate == nil ? shortest(threshold) : fixed(threshold, decimals: 4) }
}

extension DecisionFigures.Changes {
  /// Such as "0.0658 % of 4560 pairs flipped: 2 matches lost, 1 gained".
  fileprivate var shown: String {
    "\(shownRate(flipped)) of \(pairs) pairs flipped: \(lost) match\(lost == 1 ? "" : "es") lost, \(gained) gained"
  }
}

/// Such as "97.9 % (92.7 to 99.4)"; "-" for nil.
private func shown(_ percent: Double?, _ interval: ConfidenceInterval?) -> String {
  guard let percent else { return missingValue }
  return percentDigits(percent, isPrecise: interval?.isNarrow ?? false) + " %"
    + (interval.map { " (\($0.shownPercents))" } ?? "")
}

/// Shares of pairs are small.
private func shownRate(_ percent: Double?) -> String {
  percent.map { significant($0) + " %" } ?? missingValue
}
