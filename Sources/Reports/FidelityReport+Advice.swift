import Fidelity

extension FidelityReport {
  private static let greatestEffort = "thorough"

  /// What follows from the verdict, in sentences for people: why it is not a pass, and what to do about it. Commands
  /// are between backticks.
  var advice: [String] {
    let gates = allGates
    var advice = gates.filter { !$0.passed }.map { "\($0.failure)." }
    advice += gates.filter { $0.passed && !$0.doubt.isEmpty }.map { "\($0.name.title) is \($0.doubt)." }
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
}
