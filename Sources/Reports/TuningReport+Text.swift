import Fidelity
import PrintableText
import Retrieval

extension TuningReport: PageReport {
  /// The report for a terminal. Its last line has the option that uses the exponent.
  ///
  /// - Parameter colored: whether to colour warnings by ANSI escape sequences.
  package func text(colored: Bool = false) -> String {
    let paint = Paint(enabled: colored)
    var lines = [summary]
    lines += warnings.map { paint.verdict(.inconclusive, "WARNING") + "  \(printable($0))" } + [""]
    let rows = [header] + curve
    let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    lines += rows.map { row in "  " + zip(row, widths).map { padded($0, to: $1) }.joined(separator: "  ") } + [""]
    lines += choices.map { "\($0.title): \($0.sentence)" }
    if !notes.isEmpty { lines += [""] + notes.map { "note: \(printable($0))" } }
    lines += ["", "use --size \(option)"]
    return lines.map { line in
      var line = line
      while line.last == " " { line.removeLast() }
      return "\(line)\n"
    }.joined()
  }

  /// Such as "photos: 500 images at 64 px, square, 3 copies of each (full)".
  var summary: String {
    "\(printable(images.name)): \(measured) images at \(input), \(copies) augmented "
      + "\(copies == 1 ? "copy" : "copies") of each (\(recipe))"
      + (labelled > 0 ? ", \(labelled) labelled" : "")
  }

  /// The titles of the columns of `curve`.
  var header: [String] {
    ["p", "mAP of copies"] + (byClasses == nil ? [] : ["cross-entropy", "top-1"]) + [""]
  }

  /// A row of texts for each exponent.
  var curve: [[String]] {
    points.map { point in
      var remarks: [String] = []
      if point.exponent == byCopies.exponent { remarks.append("best by copies") }
      if point.exponent == byClasses?.exponent { remarks.append("best by classes") }
      if point.exponent == networkExponent { remarks.append("the network's own") }
      return [shortest(point.exponent), Estimate?.some(point.map).shown(decimals: 2, unit: " %")]
        + (byClasses == nil
          ? [] : [point.crossEntropy.shown(decimals: 4, unit: ""), point.top1.shown(decimals: 2, unit: " %")])
        + [remarks.joined(separator: ", ")]
    }
  }

  /// A sentence about each choice, the one that counts first.
  var choices: [(title: String, sentence: String)] {
    var all = [("by copies", byCopies.sentence("mAP", scale: 1, decimals: 2, unit: " %", difference: " pp"))]
    if let byClasses {
      let sentence = byClasses.sentence("cross-entropy", scale: -1, decimals: 4, unit: "", difference: "")
      all.insert(("by classes", sentence), at: criterion == .classes ? 0 : 1)
    }
    return all
  }
}

extension ExponentChoice {
  /// - Parameter scale: -1 where the figure is the lower, the better, so that scores are its negative.
  fileprivate func sentence(
    _ figure: String, scale: Double, decimals: Int, unit: String, difference: String
  ) -> String {
    func shown(_ estimate: Estimate, _ unit: String) -> String {
      let scaled = estimate.scaled(by: scale)
      let ordered = Estimate(
        scaled.value, scaled.interval.map { .init(low: min($0.low, $0.high), high: max($0.low, $0.high)) })
      return Estimate?.some(ordered).shown(decimals: decimals, unit: unit)
    }
    let folds = foldExponents.map(shortest).joined(separator: ", ")
    return "p = \(shortest(exponent)); cross-validated, each fifth of the images with the choice of the others "
      + "(\(folds)): \(figure) \(shown(heldOut, unit)), \(shown(gain, difference)) against the network's own exponent"
  }
}
