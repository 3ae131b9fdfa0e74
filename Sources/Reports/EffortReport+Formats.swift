import Fidelity
import PrintableText
import Suggestions

extension EffortReport: PageReport {
  /// Such as "fast and balanced pass every gate; thorough does not".
  var answer: String {
    func list(_ conversions: [Conversion]) -> String { listed(conversions.map(\.effort)) }
    let rejected = conversions.filter { !$0.report.isAccepted }
    guard !accepted.isEmpty else {
      return conversions.count == 1 ? "\(list(conversions)) fails a gate" : "no effort passes every gate"
    }
    let passing = "\(list(accepted)) \(accepted.count == 1 ? "passes" : "pass") every gate"
    return rejected.isEmpty ? passing : "\(passing); \(list(rejected)) \(rejected.count == 1 ? "does" : "do") not"
  }

  /// Which conversion is the best by each cost, where several are accepted.
  var remarks: [String] {
    guard accepted.count > 1 else { return [] }
    func best(_ cost: (Conversion) -> Double?) -> String? {
      accepted.compactMap { conversion in cost(conversion).map { ($0, conversion.effort) } }.min { $0.0 < $1.0 }?.1
    }
    let winners = [
      ("least drift", best { $0.report.figures.drift.mean }), ("smallest", best { $0.bytes.map(Double.init) }),
      ("fastest inference", best(\.milliseconds)), ("fastest conversion", best(\.seconds)),
    ]
    return [winners.compactMap { title, name in name.map { "\(title): \($0)" } }.joined(separator: "; ")]
  }

  /// For a terminal: which efforts pass, and a table of what each costs.
  ///
  /// - Parameter colored: whether to colour the verdict by ANSI escape sequences.
  package func text(colored: Bool = false) -> String {
    var lines = [Paint(enabled: colored).verdict(verdict, verdict.word) + "  \(answer)"]
    lines += remarks.map { "  \($0)" } + [""]
    lines += textTable(header, rows, textColumns: 2)
    lines += [""] + explanations.map { "  \(padded($0.column, to: 9))  \($0.meaning)" }
    lines += failures.map { "  \(padded($0.effort, to: 9))  \(printable($0.failure))" }
    return lines.map { "\($0)\n" }.joined()
  }

  /// The titles of the columns of `rows`.
  var header: [String] {
    [
      "effort", "verdict", "mean drift", "95 % interval", "max drift", "top-1 %", "size", "% of float", "ms",
      "made in s",
    ]
  }

  /// The network in float and each conversion.
  var rows: [[String]] {
    let missing = missingValue
    return [
      [
        "float", missing, missing, missing, missing, missing, shownBytes(float.bytes), missing,
        fixed(float.milliseconds, decimals: 2), missing,
      ]
    ]
      + conversions.map { conversion in
        let drift = conversion.report.figures.drift
        return [
          conversion.effort, conversion.report.verdict.rawValue, shownDrift(drift.mean),
          drift.meanInterval.map { "\(shownDrift($0.low)) to \(shownDrift($0.high))" } ?? missing,
          shownDrift(drift.max), conversion.report.figures.agreement.top1.map { percentDigits($0) } ?? missing,
          conversion.bytes.map(shownBytes) ?? missing,
          conversion.bytes.map { fixed(100 * Double($0) / Double(max(float.bytes, 1)), decimals: 1) } ?? missing,
          fixed(conversion.milliseconds, decimals: 2), fixed(conversion.seconds, decimals: 1),
        ]
      }
  }

  /// What some of the columns and rows mean.
  var explanations: [(column: String, meaning: String)] {
    [
      (
        "ms", "fastest run of an image of \(imageSize)x\(imageSize) pixels, \(threads) thread\(threads == 1 ? "" : "s")"
      ),
      ("top-1", "share of images whose class is that of the float network"),
      ("float", "size of the folded weights as float32"),
    ]
  }

  /// The gates that failed, for conversions that are not accepted.
  var failures: [(effort: String, failure: String)] {
    conversions.filter { !$0.report.isAccepted }.flatMap { conversion in
      conversion.report.allGates.filter { !$0.passed }.map { (conversion.effort, $0.failure) }
    }
  }

  /// The report as JSON (`quern.efforts/1`), keys sorted, ending with a newline. Values that do not exist are null.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  package func json() throws -> String {
    func rounded(_ time: Double) -> Double { (time * 1e3).rounded() / 1e3 }
    let rows = conversions.map { conversion -> JSONValue in
      let figures = conversion.report.figures
      return [
        "effort": .string(conversion.effort), "verdict": .string(conversion.report.verdict.rawValue),
        "accepted": .bool(conversion.report.isAccepted),
        "failed_gates": .array(
          conversion.report.allGates.filter { !$0.passed }.map { .string($0.name.rawValue) }),
        "mean_drift": .optional(figures.drift.mean), "max_drift": .optional(figures.drift.max),
        "mean_drift_interval": figures.drift.meanInterval.map { .array([.number($0.low), .number($0.high)]) } ?? .null,
        "top1_agreement_percent": .optional(figures.agreement.top1), "images": .int(figures.images),
        "bytes": .optional(conversion.bytes), "ms_per_image": .number(rounded(conversion.milliseconds)),
        "conversion_seconds": .number(rounded(conversion.seconds)),
        "layers_with_16bit_inputs": .optional(conversion.report.inference?.wideLayers),
        "layers_in_float": .optional(conversion.report.inference?.floatLayers),
      ]
    }
    let value: JSONValue = [
      "schema": "quern.efforts/1", "checkpoint": .string(checkpoint), "verdict": .string(verdict.rawValue),
      "answer": .string(answer),
      "image_size": .int(imageSize), "threads": .int(threads),
      "float": ["bytes": .int(float.bytes), "ms_per_image": .number(rounded(float.milliseconds))],
      "efforts": .array(rows),
    ]
    return try jsonDocument(value)
  }
}
