import Checkpoints
import Graphs

/// A translation in progress. A node is translated when a value that depends on it is first needed.
struct ONNXRun {
  var translator: ONNXTranslator
  private let schedule: ONNXSchedule
  private var isTranslated: [Bool]
  /// The nodes that cannot be translated, by their indices. Other values that depend on them cannot be, either.
  private var failures: [Int: ImportError] = [:]
  private var budget: ModelBudget

  init(_ translator: ONNXTranslator, _ schedule: ONNXSchedule) {
    self.translator = translator
    self.schedule = schedule
    budget = schedule.budget
    isTranslated = [Bool](repeating: false, count: schedule.model.nodes.count)
  }

  /// What was translated so far (`ONNXSchedule.costs`).
  var cost: Int { budget.used }

  /// Translates the nodes that a value depends on. Where one fails, those before it stay translated.
  ///
  /// - Throws: `ImportError.badNode` where the model has more nodes, inputs and outputs than one of its size can need;
  ///   the errors of the schedule and of the translator.
  mutating func translate(_ name: String) throws(ImportError) {
    for index in try schedule.order(for: name, without: isTranslated) {
      if let failure = failures[index] { throw failure }
      let node = schedule.model.nodes[index]
      guard budget.claim(schedule.costs[index]) else {
        throw .badNode(
          ONNXLocation(node, in: schedule.model),
          problem: "is one node too many for a model of \(schedule.model.byteCount) bytes, or has too many inputs")
      }
      do throws(ImportError) { try translator.translate(node) } catch {
        failures[index] = error
        throw error
      }
      isTranslated[index] = true
    }
  }
}
