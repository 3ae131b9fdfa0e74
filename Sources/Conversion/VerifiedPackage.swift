import Fidelity
import Files
import Graphs
import Search

/// A package that was written and verified, not yet under its name.
struct VerifiedPackage: Attempt {
  let file: AtomicFile
  let path: String
  var found: FoundPlan
  /// At each size.
  let measurements: [SizeMeasurement]
  let gates: Gates

  /// What is aimed at, of a limit that is missed: less, as a choice of images is none of all.
  private static let aim = 0.8

  var meanDrift: Double { measurements.map { $0.figures.drift.mean ?? worstDrift }.max() ?? worstDrift }

  var keepsGates: Bool { measurements.allSatisfy(keepsGates) }

  var sharesToLeave: [Double] { measurements.map { keepsGates($0) ? .infinity : Self.aim * excess(of: $0) } }

  var failsByNearTiesOnly: Bool { fails { decisive, _ in decisive == 100 } }

  var failsMainlyByNearTies: Bool { fails { decisive, limit in decisive >= limit } }

  /// Whether agreement is all that fails, at every size where anything does, and a condition holds for the agreement of the
  /// images that are no near ties.
  private func fails(where holds: (_ decisive: Double, _ limit: Double) -> Bool) -> Bool {
    !keepsGates
      && measurements.allSatisfy { measurement in
        let failed = failedGates(measurement)
        guard !failed.isEmpty else { return true }
        guard failed.map(\.name) == [.top1Agreement], let decisive = measurement.figures.clearAgreement?.top1 else {
          return false
        }
        return holds(decisive, gates.minAgreement)
      }
  }

  func discard() { file.discard() }

  private func keepsGates(_ measurement: SizeMeasurement) -> Bool { failedGates(measurement).isEmpty }

  /// Of the gates that depend on the package; the accuracy of the float network does not.
  private func failedGates(_ measurement: SizeMeasurement) -> [GateResult] {
    gates.results(for: measurement.figures).filter { !$0.passed && $0.name != .floatTop1 }
  }

  /// How much of its drift a network may keep by the gate of drift that it misses most; 1 where it misses none of them.
  private func excess(of measurement: SizeMeasurement) -> Double {
    gates.results(for: measurement.figures).reduce(1) { least, gate in
      guard [.meanDrift, .maxDrift].contains(gate.name), let value = gate.value, value > 0 else { return least }
      return min(least, gate.limit / value)
    }
  }

  /// What inference costs by the plan.
  ///
  /// - Parameters:
  ///   - graph: the float graph.
  ///   - costs: of its plans.
  func inference(_ graph: Graph, _ costs: CostTable) -> InferenceCost {
    InferenceCost(
      milliseconds: costs.milliseconds(found.plan), plainMilliseconds: costs.plainMilliseconds,
      wideLayers: graph.nodes.count { found.plan.layers[$0.name]?.arithmetic == .int8WideInput },
      floatLayers: found.plan.layersKeptFloat(in: graph).count)
  }

  /// For reports.
  ///
  /// - Parameter graph: the float graph.
  func settings(_ graph: Graph) -> [String: JSONValue] {
    var result: [String: JSONValue] = [
      "wide_activations": .int(found.plan.makersOfWideValues(in: graph).count)
    ]
    let kept = KeptFloat.layers(of: found.plan, in: graph)
    if !kept.isEmpty { result[KeptFloat.setting] = .array(kept.map(\.json)) }
    if found.isCutShort { result["time_budget_reached"] = .bool(true) }
    return result
  }
}
