import Fidelity
import Files
import Graphs
import Search

/// A package that was written to a temporary file and verified.
struct VerifiedPackage: Attempt {
  let file: AtomicFile
  let path: String
  var found: FoundPlan
  /// The fidelity at each size.
  let measurements: [SizeMeasurement]
  let gates: Gates

  /// The share of a missed limit that the next attempt aims for. It is below 1 because a search measures only a sample
  /// of images.
  private static let targetShare = 0.8

  var meanDrift: Double { measurements.map { $0.figures.drift.mean ?? worstDrift }.max() ?? worstDrift }

  var passesGates: Bool { measurements.allSatisfy(passesGates) }

  var allowedDriftShares: [Double] {
    measurements.map { passesGates($0) ? .infinity : Self.targetShare * excess(of: $0) }
  }

  var failsByNearTiesOnly: Bool { fails { decisive, _ in decisive == 100 } }

  var failsMainlyByNearTies: Bool { fails { decisive, limit in decisive >= limit } }

  /// Whether only agreement fails, at every size where a gate fails, and a condition holds for the decisive agreement
  /// there.
  private func fails(where holds: (_ decisive: Double, _ limit: Double) -> Bool) -> Bool {
    !passesGates
      && measurements.allSatisfy { measurement in
        let failed = failedGates(measurement)
        guard !failed.isEmpty else { return true }
        guard failed.map(\.name) == [.top1Agreement], let decisive = measurement.figures.decisiveAgreement?.top1 else {
          return false
        }
        return holds(decisive, gates.minAgreement)
      }
  }

  func discard() { file.discard() }

  private func passesGates(_ measurement: SizeMeasurement) -> Bool { failedGates(measurement).isEmpty }

  /// The failed gates among those that depend on the package, which excludes the accuracy of the float network, and
  /// figures of images or networks that have none.
  private func failedGates(_ measurement: SizeMeasurement) -> [GateResult] {
    let isMeasured = measurement.figures.images > 0
    return gates.results(for: measurement.figures).filter { gate in
      !gate.passed && gate.name != .floatTop1 && !(isMeasured && gate.value == nil)
    }
  }

  /// The share of its drift that the network may keep to pass every drift gate; 1 where it misses none.
  private func excess(of measurement: SizeMeasurement) -> Double {
    gates.results(for: measurement.figures).reduce(1) { share, gate in
      guard [.meanDrift, .maxDrift].contains(gate.name), let value = gate.value, value > 0 else { return share }
      return min(share, gate.limit / value)
    }
  }

  /// The estimated cost of inference with the plan.
  ///
  /// - Parameters:
  ///   - graph: the float graph.
  ///   - costs: the table of costs for the graph.
  ///   - floatBytes: the size of the float network's weights in bytes.
  func inference(_ graph: Graph, _ costs: CostTable, floatBytes: Int) -> InferenceCost {
    InferenceCost(
      milliseconds: costs.milliseconds(found.plan), plainMilliseconds: costs.plainMilliseconds,
      floatMilliseconds: costs.floatMilliseconds, floatBytes: floatBytes,
      wideLayers: graph.nodes.count { found.plan.layers[$0.name]?.arithmetic == .int8WideInput },
      floatLayers: found.plan.layersKeptFloat(in: graph).count)
  }

  /// The decisions of the plan for the settings of reports.
  ///
  /// - Parameter graph: the float graph.
  func settings(_ graph: Graph) -> [String: JSONValue] {
    var result: [String: JSONValue] = [
      "wide_activations": .int(found.plan.producersOf16BitInputs(in: graph).count)
    ]
    let kept = KeptFloat.layers(of: found.plan, in: graph)
    if !kept.isEmpty { result[KeptFloat.setting] = .array(kept.map(\.json)) }
    if found.isCutShort { result["time_budget_reached"] = .bool(true) }
    return result
  }
}
