import Graphs
import Quantization
import Search

/// Finds the activations whose rounding to 8 bits causes so much of the drift that the time for reading them as 16 bits
/// is well spent.
///
/// In most networks the drift is spread over the activations much as the time is over their readers, and none is worth
/// it. Others amplify what rounding adds near their input, as MobileNetV2 does with its narrow maps: a few of its fifty
/// activations cause most of the drift.
struct DominantRounding {
  private let graph: Graph
  private let plan: QuantizationPlan
  private let reading: WideReading
  private let costs: CostTable
  private let probe: IsolatedDrift

  /// An activation is worth 16 bits if the share of the drift that this removes is at least this many times the share
  /// of the time that it adds.
  private static let worth = 3.0
  /// With less drift from all activations together, none is worth it.
  private static let minDrift = 0.002
  /// The time that 16 bits may add to inference, relative to that of plain int8.
  private static let addedTimeLimit = 0.25
  /// The maximum number of images that drift is measured on, and of measurements.
  static let (imageLimit, measurementLimit) = (4, 48)

  /// - Parameters:
  ///   - plan: a plan without 16-bit inputs.
  ///   - probe: measures drift on some calibration images.
  init(
    _ graph: Graph, _ plan: QuantizationPlan, _ reading: WideReading, _ costs: CostTable, probe: IsolatedDrift
  ) {
    (self.graph, self.plan, self.reading, self.costs, self.probe) = (graph, plan, reading, costs, probe)
  }

  /// An activation that could be read as 16 bits.
  private struct Activation {
    let candidate: WideReading.Candidate
    /// The index of the node that produces it.
    let index: Int
    let format: ValueFormat
    /// The share of the time in plain int8 that 16 bits add.
    let time: Double
    /// The share of the drift that its rounding causes; at most this much where only a run has been measured.
    var drift = 0.0

    /// Whether the activation is not worth 16 bits even if all of a measured share of the drift is due to it.
    func isNotWorth(_ share: Double) -> Bool { share < DominantRounding.worth * time }
  }

  /// The plan with 16-bit inputs where they are worth their time.
  ///
  /// - Parameter maxSlowdown: the bound on the time of inference that was requested, relative to plain int8.
  /// - Throws: `GraphError` where the network cannot run.
  func widened(maxSlowdown: Double?) throws -> QuantizationPlan {
    let (before, plain) = (costs.milliseconds(plan), costs.plainMilliseconds)
    guard plain > 0 else { return plan }
    let formats = plan.formats(in: graph)
    let producers = graph.producers
    let activations = reading.candidates(in: plan).compactMap { candidate -> Activation? in
      guard let index = producers[candidate.value] else { return nil }
      let after = costs.milliseconds(reading.widening([candidate], in: plan))
      return Activation(
        candidate: candidate, index: index, format: formats[candidate.value.index], time: (after - before) / plain)
    }
    let limit = min(before + Self.addedTimeLimit * plain, costs.limit(slowdown: maxSlowdown))
    var chosen: [Activation] = []
    for activation in try dominant(activations) {
      let more = chosen + [activation]
      if costs.milliseconds(reading.widening(more.map(\.candidate), in: plan)) <= limit { chosen = more }
    }
    return reading.widening(chosen.map(\.candidate), in: plan)
  }

  /// The activations that are worth 16 bits, by the drift that this removes per millisecond. Runs of neighbouring
  /// activations are measured, and halved only where one of them could be worth it.
  private func dominant(_ activations: [Activation]) throws -> [Activation] {
    guard activations.count > 1 else { return [] }
    let total = try drift(activations[...])
    guard total >= Self.minDrift else { return [] }
    var found: [Activation] = []
    var runs: [(run: ArraySlice<Activation>, share: Double)] = [(activations[...], 1)]
    var measurements = 0
    // The run with the largest share comes first, as there may be too many to measure.
    while let next = runs.indices.max(by: { (runs[$0].share, $1) < (runs[$1].share, $0) }) {
      let (run, share) = runs.remove(at: next)
      guard run.contains(where: { !$0.isNotWorth(share) }) else { continue }
      guard run.count > 1 else {
        found += run.map { activation in
          var activation = activation
          activation.drift = share
          return activation
        }
        continue
      }
      guard measurements + 2 <= Self.measurementLimit else { break }
      let middle = (run.startIndex + run.endIndex) / 2
      for half in [run[..<middle], run[middle...]] { runs.append((half, try drift(half) / total)) }
      measurements += 2
    }
    return found.sorted { a, b in
      let (x, y) = (a.drift * b.time, b.drift * a.time)
      return x != y ? x > y : a.index < b.index
    }
  }

  private func drift(_ run: ArraySlice<Activation>) throws -> Double {
    try probe.drift(
      quantizingOutputs: Dictionary(run.map { ($0.index, $0.format) }, uniquingKeysWith: { first, _ in first }))
  }
}
