import Fidelity
import Suggestions

extension FidelityReport {
  private static let greatestEffort = "thorough"

  /// What follows from the verdict, in sentences for people: why it is not a pass, and what to do about it. Commands
  /// are between backticks.
  var advice: [String] {
    let gates = allGates
    var advice = remarks { $0.passed ? nil : $0.failurePredicate }
    advice += remarks { $0.passed && !$0.doubt.isEmpty ? "is \($0.doubt)" : nil }
    if gates.contains(where: { $0.passed && !$0.doubt.isEmpty }) {
      advice.append("Verify on more images, or on other ones with `--verify-images`.")
    }
    if gates.contains(where: { !$0.passed && [.meanDrift, .maxDrift, .top1Agreement].contains($0.name) }) {
      advice += [
        "Look at the images that drift most. If they are unlike the calibration images, calibrate on images like them.",
        settings["effort"] == .string(Self.greatestEffort)
          ? "See with `quern analyze` which layers lose most."
          : "Try `--effort thorough`, or see with `quern analyze` which layers lose most.",
      ]
    }
    if gates.contains(where: { !$0.passed && $0.name == .packageBytes }) {
      advice.append("Raise `--max-bytes`: this is the smallest package that could be made.")
    }
    return advice
  }

  /// Sentences about gates. What is true of several sizes is said once: "top-1 agreement at 224 px and 500 px is …".
  ///
  /// - Parameter predicate: what is said of a gate, without a full stop; `nil` where there is nothing to say.
  private func remarks(_ predicate: (GateResult) -> String?) -> [String] {
    var remarks: [(figure: String, predicate: String, sizes: [String])] = []
    func add(_ gates: [GateResult], _ size: String?) {
      for gate in gates {
        guard let text = predicate(gate) else { continue }
        if let same = remarks.firstIndex(where: { $0.figure == gate.name.title && $0.predicate == text }) {
          remarks[same].sizes += [size].compactMap(\.self)
        } else {
          remarks.append((gate.name.title, text, [size].compactMap(\.self)))
        }
      }
    }
    add(separateGates, nil)
    for part in parts { add(part.gates, part.size?.title) }
    return remarks.map { remark in
      let sizes = remark.sizes.isEmpty ? "" : " at \(listed(remark.sizes))"
      return "\(remark.figure)\(sizes) \(remark.predicate)."
    }
  }
}
